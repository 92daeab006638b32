//! Sales that bring a balance to the end of its range. They must be refused in the server's own words, and cost others nothing.

use futures::future::BoxFuture;
use headwater_client::pb;

use super::Attack;
use super::child::Target;
use super::scene::{Scene, sale_item};
use super::wire::{self, Question};

const SALE: &str = "/headwater.v1.TrackingService/RecordSale";

/// The largest amount of a sale.
const AMOUNT_MINOR_MAX: i64 = 1_000_000_000_000_000;

/// So many sales of the largest amount, all of which is earned, leave no room for another before 2^63.
const SALES: i64 = i64::MAX / AMOUNT_MINOR_MAX;

pub(super) const ATTACKS: &[Attack] = &[Attack {
    has_key: true,
    prepare: fill_up,
    ..Attack::new("poison", "4 callers of sales that overflow a balance", |target| Box::pin(overflow(target)))
}];

fn sale(number: i64, amount_minor: i64) -> pb::RecordSaleRequest {
    pb::RecordSaleRequest {
        event_id: format!("poison-{number:016x}"),
        coupon_code: "CODE0".to_owned(),
        email: "rich@customers.example".to_owned(),
        amount: Some(pb::Money { amount_minor, currency_code: "USD".to_owned() }),
        ..pb::RecordSaleRequest::default()
    }
}

/// Brings the balance of one affiliate near its end.
fn fill_up(scene: &Scene) -> BoxFuture<'_, anyhow::Result<Vec<String>>> {
    Box::pin(async move {
        let shop = scene.attacker().await?;
        let mut client = scene.client(&shop.key).await?;
        // Everything is earned.
        let commission = pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(1_000_000)) };
        let terms = Some(pb::Terms { commission: Some(commission), ..pb::Terms::default() });
        let program = Some(pb::Program { id: shop.program_id.clone(), terms, ..pb::Program::default() });
        let update_mask = Some(prost_types::FieldMask { paths: vec!["terms".to_owned()] });
        let request = pb::UpdateProgramRequest { program, update_mask, ..pb::UpdateProgramRequest::default() };
        client.affiliates.update_program(request).await?;
        for first in (0..SALES).step_by(1_000) {
            let numbers = first..SALES.min(first + 1_000);
            let items = numbers.map(|number| sale_item(sale(number, AMOUNT_MINOR_MAX))).collect();
            client.tracking.batch_record_events(pb::BatchRecordEventsRequest { items }).await?;
        }
        Ok(vec![shop.key])
    })
}

async fn overflow(target: Target) -> anyhow::Result<()> {
    let key = target.material(0);
    let ask = move |number: u64| {
        let event_id = format!("overflow-{number:016x}");
        let sale = pb::RecordSaleRequest { event_id, ..sale(0, AMOUNT_MINOR_MAX) };
        Question::new(SALE, Some(key.clone()), &sale)
    };
    wire::call(target, 4, 1, ask).await
}
