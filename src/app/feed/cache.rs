//! A cache of one account's segments for its followers. It has two shelves: one for the newest segments, and one for the pages
//! last read for lagging readers. A reader that catches up therefore does not evict the segments that all other readers need
//! next. Each shelf has a maximum size. Segments that are not cached are read from the table.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::segment::FeedSegment;

/// See the head of the file.
#[derive(Default)]
pub(super) struct FeedCache {
    newest: Shelf,
    behind: Shelf,
}

impl FeedCache {
    /// Adds a segment to its shelf. Each shelf keeps about `bytes_max`.
    pub(super) fn insert(&mut self, segment: &Arc<FeedSegment>, bytes_max: usize) {
        let is_newest = self.newest.last_sequence().is_none_or(|last| last < segment.last_sequence());
        let shelf = if is_newest { &mut self.newest } else { &mut self.behind };
        shelf.insert(segment, bytes_max);
    }

    /// Consecutive segments with about `events_max` events. The first one contains the event after `position`. Empty when that
    /// event is not cached.
    pub(super) fn after(&self, position: i64, events_max: i64) -> Vec<Arc<FeedSegment>> {
        let segments = self.newest.after(position, events_max);
        if segments.is_empty() { self.behind.after(position, events_max) } else { segments }
    }
}

#[derive(Default)]
struct Shelf {
    /// The segments by their last sequence.
    segments: BTreeMap<i64, Arc<FeedSegment>>,
    /// The last sequences, in order of insertion.
    order: VecDeque<i64>,
    bytes: usize,
}

impl Shelf {
    fn last_sequence(&self) -> Option<i64> {
        self.segments.last_key_value().map(|(last, _)| *last)
    }

    fn insert(&mut self, segment: &Arc<FeedSegment>, bytes_max: usize) {
        let key = segment.last_sequence();
        if self.segments.contains_key(&key) {
            return;
        }
        self.bytes += segment.byte_count();
        self.order.push_back(key);
        self.segments.insert(key, Arc::clone(segment));
        // The segment that was just added stays, however large it is.
        while self.bytes > bytes_max
            && self.order.len() > 1
            && let Some(oldest) = self.order.pop_front()
        {
            self.bytes -= self.segments.remove(&oldest).map_or(0, |segment| segment.byte_count());
        }
    }

    fn after(&self, position: i64, events_max: i64) -> Vec<Arc<FeedSegment>> {
        let mut next = position + 1;
        let mut found = Vec::new();
        for segment in self.segments.range(next..).map(|(_, segment)| segment) {
            // The first segment may begin before `position`. Every other segment must begin where the one before it ends.
            let follows =
                if found.is_empty() { segment.first_sequence() <= next } else { segment.first_sequence() == next };
            if !follows || next - position > events_max {
                break;
            }
            next = segment.last_sequence() + 1;
            found.push(Arc::clone(segment));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(first: i64, last: i64) -> Arc<FeedSegment> {
        Arc::new(FeedSegment::for_tests(first, last))
    }

    fn bounds(segments: &[Arc<FeedSegment>]) -> Vec<(i64, i64)> {
        segments.iter().map(|segment| (segment.first_sequence(), segment.last_sequence())).collect()
    }

    #[test]
    fn the_segments_after_a_position_are_found_and_a_gap_is_never_skipped() {
        let mut cache = FeedCache::default();
        for (first, last) in [(1, 3), (4, 4), (5, 9), (12, 15)] {
            cache.insert(&segment(first, last), usize::MAX);
        }
        for (position, expected) in [
            (0, &[(1, 3), (4, 4), (5, 9)][..]),
            (2, &[(1, 3), (4, 4), (5, 9)]),
            (3, &[(4, 4), (5, 9)]),
            (9, &[]),
            (10, &[]),
            (11, &[(12, 15)]),
            (14, &[(12, 15)]),
            (15, &[]),
            (99, &[]),
        ] {
            assert_eq!(bounds(&cache.after(position, 1_000)), expected, "after {position}");
        }
        assert_eq!(bounds(&cache.after(0, 3)), [(1, 3)], "about as many as asked for");
        // A late segment from another task closes the gap.
        cache.insert(&segment(10, 11), usize::MAX);
        assert_eq!(bounds(&cache.after(9, 1_000)), [(10, 11)], "of one shelf at a time");
        assert_eq!(bounds(&cache.after(11, 1_000)), [(12, 15)]);
    }

    #[test]
    fn each_shelf_forgets_what_it_had_longest() {
        let mut cache = FeedCache::default();
        let bytes = segment(1, 1).byte_count();
        for sequence in 101..=110 {
            cache.insert(&segment(sequence, sequence), 3 * bytes);
        }
        // A lagging reader reads page after page. It does not evict the segments of the readers at the head.
        for sequence in 1..=10 {
            cache.insert(&segment(sequence, sequence), 3 * bytes);
            assert_eq!(bounds(&cache.after(sequence - 1, 9)), [(sequence, sequence)]);
        }
        assert_eq!(bounds(&cache.after(107, 9)), [(108, 108), (109, 109), (110, 110)]);
        assert_eq!(bounds(&cache.after(106, 9)), []);
        assert_eq!(bounds(&cache.after(7, 9)), [(8, 8), (9, 9), (10, 10)]);
        assert_eq!(bounds(&cache.after(6, 9)), []);
        // A segment larger than the limit is still kept.
        cache.insert(&segment(111, 999), 1);
        assert_eq!(bounds(&cache.after(110, 9)), [(111, 999)]);
    }
}
