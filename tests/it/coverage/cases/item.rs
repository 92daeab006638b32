//! Items.

use serde_json::{Value as Json, json};

use super::{Case, case, long};

fn item(sku: &str) -> Json {
    json!({"sku": sku, "display_name": "Mug"})
}

fn update(display_name: &str) -> Json {
    json!({"item": {"id": "${item_id}", "display_name": display_name}, "update_mask": {"paths": ["display_name"]}})
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("AffiliateService/CreateItem", item("${unique}"))
            .furnish(
                "AffiliateService/CreateItem",
                item("mug-${tag}"),
                &[("item_id", "/item/id"), ("item_sku", "/item/sku")],
            )
            .furnish("AffiliateService/CreateItem", item("cup-${tag}"), &[])
            .other(json!({"sku": "another-${unique}"}))
            .wrong(json!({"request_id": long(), "sku": long(), "display_name": long(), "note": long()}))
            .wrong(json!({"sku": "", "display_name": "a\nb"}))
            .wrong(json!({"sku": " "})),
        case("AffiliateService/GetItem", json!({"item": {"id": "${item_id}"}}))
            .item_reference()
            .wrong(json!({"item": null}))
            .wrong_items(&json!({})),
        case("AffiliateService/ListItems", json!({}))
            .list()
            .wrong(json!({"page_size": -1, "order": 99, "states": [0, 99]}))
            .free(&["with_total_count"]),
        case("AffiliateService/UpdateItem", update("Large mug"))
            .other(update("Small mug"))
            .reference(json!({"item": {"id": "${item_id}", "display_name": "Taken over"}}))
            .wrong(json!({
                "request_id": long(),
                "item": {"id": "itm_1", "display_name": long(), "note": long()},
                "update_mask": {"paths": ["display_name", "note", "nope"]},
            }))
            .wrong(json!({"item": {"id": ""}, "update_mask": {"paths": []}}))
            .wrong(json!({"item": null, "update_mask": {"paths": []}}))
            // Only fields that the mask allows are read.
            .free(&["item.sku", "item.state", "item.create_time", "item.update_time", "item.archive_time"]),
        case("AffiliateService/ArchiveItem", json!({"item_id": "${fresh_item_id}"}))
            .prepare("AffiliateService/CreateItem", item("${unique}"), &[("fresh_item_id", "/item/id")])
            .other(json!({"item_id": "${item_id}"}))
            .reference(json!({"item_id": "${item_id}"}))
            .wrong(json!({"request_id": long(), "item_id": "itm_1"}))
            .wrong(json!({"item_id": ""})),
    ]
}
