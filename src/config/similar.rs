//! Finds the name that somebody probably meant. Knows no names.

/// The candidate that is most similar to the text, if any is similar at all.
pub(super) fn most_similar<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // About one wrong character in four. With more, the candidate would often be a guess.
    let limit = text.chars().count().div_ceil(4);
    let measured = candidates.into_iter().map(|candidate| (distance(text, candidate), candidate));
    measured.filter(|(distance, _)| *distance <= limit).min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// How many characters must be inserted, removed or replaced to make one text of the other.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (number, character) in left.chars().enumerate() {
        let mut next = vec![number + 1];
        // `row` has the distances of the text before this character, and `next` those of the text with it.
        for ((other, pair), before) in right.iter().zip(row.windows(2)).zip(0..) {
            let replaced = pair.first().copied().unwrap_or(0) + usize::from(character != *other);
            let removed = pair.last().copied().unwrap_or(0) + 1;
            let inserted = next.get(before).copied().unwrap_or(0) + 1;
            next.push(replaced.min(removed).min(inserted));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_single_characters() {
        for (left, right, expected) in [("", "", 0), ("", "ab", 2), ("adress", "address", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!((distance(left, right), distance(right, left)), (expected, expected), "{left} {right}");
        }
    }

    #[test]
    fn only_a_similar_name_is_proposed() {
        let names = ["listen_address", "log_format", "log_filter"];
        assert_eq!(most_similar("listen_adress", names), Some("listen_address"));
        assert_eq!(most_similar("log_fliter", names), Some("log_filter"));
        assert_eq!(most_similar("port", names), None);
    }
}
