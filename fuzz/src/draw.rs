//! Choices from a fuzzer's bytes. When the bytes are used up, every choice is the first one.

use arbitrary::Unstructured;

/// See the head of the file.
pub(crate) struct Draw<'bytes>(Unstructured<'bytes>);

impl<'bytes> Draw<'bytes> {
    pub(crate) fn new(bytes: &'bytes [u8]) -> Self {
        Self(Unstructured::new(bytes))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A number from 0 to below the limit, which must not be 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0.choose_index(limit).unwrap_or(0)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.0.arbitrary().unwrap_or(0)
    }

    pub(crate) fn number(&mut self) -> i64 {
        self.0.arbitrary().unwrap_or(0)
    }

    /// Whether an event happens that happens in so many of 256 cases.
    pub(crate) fn happens(&mut self, of_256: u8) -> bool {
        self.byte() < of_256
    }

    pub(crate) fn of<'list, T>(&mut self, list: &'list [T]) -> &'list T {
        &list[self.below(list.len())]
    }

    /// Up to this many bytes as they come.
    pub(crate) fn bytes(&mut self, length_max: usize) -> &'bytes [u8] {
        let length = self.below(length_max + 1).min(self.0.len());
        self.0.bytes(length).unwrap_or_default()
    }

    pub(crate) fn text(&mut self, length_max: usize) -> String {
        String::from_utf8_lossy(self.bytes(length_max)).into_owned()
    }
}

/// Changes some bytes: replaces, removes, repeats and cuts them.
pub(crate) fn garbled(draw: &mut Draw<'_>, mut bytes: Vec<u8>) -> Vec<u8> {
    for _ in 0..=draw.below(4) {
        if bytes.is_empty() {
            return draw.bytes(16).to_vec();
        }
        let place = draw.below(bytes.len());
        match draw.below(6) {
            0 => bytes[place] = draw.byte(),
            1 => bytes[place] ^= 1 << draw.below(8),
            2 => _ = bytes.remove(place),
            3 => bytes.insert(place, draw.byte()),
            4 => bytes.truncate(place),
            _ => {
                let end = (place + draw.below(32)).min(bytes.len());
                let piece = bytes[place..end].to_vec();
                bytes.splice(place..place, piece);
            }
        }
    }
    bytes
}
