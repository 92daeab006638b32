//! Requests that do not come by gRPC, on a listener of their own: the health of the server for load balancers, and callbacks of payout
//! providers. `transport` has the limits of connections; nothing here reads a clock or listens.

mod body;
pub mod callback;
pub mod certificate;
pub mod nudge;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use http::StatusCode;
use tokio::sync::watch;

pub use body::Bodies;
use callback::Callbacks;

/// The longest that the body of a request may take, and the longest that the rest of its work may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Every route. `is_serving` is what the gRPC health service says of the whole server.
pub fn routes(is_serving: watch::Receiver<bool>, callbacks: Callbacks) -> Router {
    let callbacks = post(callback::receive).with_state(Arc::new(callbacks));
    Router::new()
        .route("/health", get(health).with_state(is_serving))
        .route("/callbacks/{provider}/{account_id}", callbacks)
}

async fn health(State(is_serving): State<watch::Receiver<bool>>) -> (StatusCode, &'static str) {
    match *is_serving.borrow() {
        true => (StatusCode::OK, "SERVING\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "NOT_SERVING\n"),
    }
}
