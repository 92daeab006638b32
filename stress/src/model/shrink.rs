//! Shrinks a failing list of steps. It removes smaller and smaller parts while the rest still fails. Does not know what a step is
//! or why it fails.

/// Returns a failing list from which no single item can be removed, unless `tries` ran out. `fails` plays a list.
pub(super) async fn shrink<T: Clone>(
    items: Vec<T>,
    mut tries: u32,
    mut fails: impl AsyncFnMut(&[T]) -> anyhow::Result<bool>,
) -> anyhow::Result<Vec<T>> {
    let mut items = items;
    let mut length = items.len().div_ceil(2);
    while length > 0 {
        let mut start = 0;
        let mut has_shrunk = false;
        // Parts are removed from the end, because the failing step is there and earlier ones often only prepare it.
        while start < items.len() && tries > 0 {
            let end = items.len() - start;
            let mut rest = items.clone();
            rest.drain(end.saturating_sub(length)..end);
            tries -= 1;
            if fails(&rest).await? {
                items = rest;
                has_shrunk = true;
            } else {
                start += length;
            }
        }
        if tries == 0 {
            break;
        }
        // The last round repeats until nothing more can be removed, because one removal may allow another.
        if length == 1 && !has_shrunk {
            break;
        }
        length = if length == 1 { 1 } else { length.div_ceil(2) };
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn unrelated_items_are_removed() {
        let mut tries = 0;
        let fails = async |items: &[u32]| {
            tries += 1;
            Ok(items.contains(&17)
                && items.contains(&413)
                && items.iter().position(|item| *item == 17) < items.iter().position(|item| *item == 413))
        };
        let shrunk = shrink((0..500).collect(), 1_000, fails).await.unwrap();
        assert_eq!(shrunk, [17, 413]);
        assert!(tries < 100, "{tries} tries");
    }

    #[tokio::test]
    async fn it_ends_when_the_tries_are_used_up() {
        let mut tries = 0;
        let fails = async |items: &[u32]| {
            tries += 1;
            Ok(items.len() >= 100)
        };
        let shrunk = shrink((0..400).collect(), 5, fails).await.unwrap();
        assert_eq!(tries, 5);
        assert!((100..400).contains(&shrunk.len()));
    }
}
