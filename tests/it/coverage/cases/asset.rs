//! Assets.

use serde_json::json;

use super::{Case, case, long};

pub(super) fn cases() -> Vec<Case> {
    let fresh = json!({"display_name": "Banner", "url": "https://shop.test/banner.png"});
    vec![
        case("AffiliateService/CreateAsset", fresh.clone())
            .furnish("AffiliateService/CreateAsset", fresh.clone(), &[("other_asset_id", "/asset/id")])
            .furnish("AffiliateService/CreateAsset", fresh, &[("asset_id", "/asset/id")])
            .other(json!({"display_name": "Text"}))
            .wrong(json!({"request_id": long(), "display_name": long(), "url": "shop.example"}))
            .wrong(json!({"display_name": "", "url": ""})),
        case("AffiliateService/GetAsset", json!({"asset_id": "${asset_id}"}))
            .reference(json!({"asset_id": "${asset_id}"}))
            .wrong(json!({"asset_id": "ast_1"}))
            .wrong(json!({"asset_id": ""})),
        case("AffiliateService/ListAssets", json!({})).list().wrong(json!({"page_size": -1})),
    ]
}
