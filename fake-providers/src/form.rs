//! Form-encoded bodies with brackets, as Stripe reads them: `metadata[payout]=p1&expand[]=x`. Knows no fields.

use serde_json::{Map, Value};

/// How deep brackets may go.
const DEPTH_MAX: usize = 8;

/// The fields as a tree of objects, lists and texts. Nothing if brackets do not match or fields contradict each other.
pub(crate) fn parse(body: &[u8]) -> Option<Value> {
    let mut root = Map::new();
    for (name, value) in url::form_urlencoded::parse(body) {
        let path = path_of(&name)?;
        if path.len() > DEPTH_MAX {
            return None;
        }
        let (first, rest) = path.split_first()?;
        insert(root.entry((*first).to_owned()).or_insert(Value::Null), rest, value.into_owned())?;
    }
    Some(Value::Object(root))
}

/// The parts of `a[b][c]`.
fn path_of(name: &str) -> Option<Vec<&str>> {
    let (first, mut rest) = name.split_at(name.find('[').unwrap_or(name.len()));
    let mut path = vec![first];
    while !rest.is_empty() {
        let inner = rest.strip_prefix('[')?;
        let end = inner.find(']')?;
        path.push(inner.get(..end)?);
        rest = inner.get(end + 1..)?;
    }
    Some(path)
}

fn insert(place: &mut Value, path: &[&str], text: String) -> Option<()> {
    let Some((first, rest)) = path.split_first() else {
        if !place.is_null() {
            return None;
        }
        *place = Value::String(text);
        return Some(());
    };
    if first.is_empty() {
        if place.is_null() {
            *place = Value::Array(Vec::new());
        }
        let list = place.as_array_mut()?;
        let mut element = Value::Null;
        insert(&mut element, rest, text)?;
        list.push(element);
        return Some(());
    }
    if place.is_null() {
        *place = Value::Object(Map::new());
    }
    insert(place.as_object_mut()?.entry((*first).to_owned()).or_insert(Value::Null), rest, text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::parse;

    #[test]
    fn brackets_make_trees() {
        let tree = parse(b"amount=100&metadata[a]=1&metadata[b]=x%20y&expand[]=p&expand[]=q&created[gte]=5");
        let wanted = json!({
            "amount": "100", "metadata": {"a": "1", "b": "x y"}, "expand": ["p", "q"], "created": {"gte": "5"},
        });
        assert_eq!(tree, Some(wanted));
        assert_eq!(parse(b""), Some(json!({})));
        assert_eq!(parse(b"a[b=1"), None);
        assert_eq!(parse(b"a=1&a[b]=2"), None);
        assert_eq!(parse(b"a=1&a=2"), None);
    }
}
