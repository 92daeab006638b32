/**
 * The client of Headwater, the self-hosted affiliate and referral engine.
 *
 * <p>{@link dev.headwater.client.HeadwaterClient} connects and has the stubs of all services. {@link
 * dev.headwater.client.HeadwaterError} reads a failed call. {@link dev.headwater.client.FeedFollower} follows the feed.
 * The messages are in {@code dev.headwater.v1}, which is generated from the protos.
 */
package dev.headwater.client;
