//! The shop's side: sales, a refund, and a wrong request.

use std::time::Duration;

use headwater_client::{Client, Error, pb};

use crate::{COUPON_CODE, CURRENCY, CUSTOMER_EMAIL, Failure, REFUND_MINOR, SALE_MINOR};

/// How often a sale is sent before the shop gives up. A real shop keeps it in a queue.
const TRIES_MAX: u32 = 20;

pub(crate) struct Shop {
    pub client: Client,
    /// The tracking id of the visitor who buys.
    pub tid: String,
}

/// The merchant's id of a sale. A real shop uses the id of the charge.
pub(crate) fn sale_event_id(number: u32) -> String {
    format!("charge-{number}")
}

impl Shop {
    /// Records the sales, every second one with the affiliate's coupon.
    pub(crate) async fn sell(&self, count: u32, pause: Duration) -> Result<(), Failure> {
        for number in 1..=count {
            let mut request = pb::RecordSaleRequest {
                event_id: sale_event_id(number),
                amount: Some(pb::Money { amount_minor: SALE_MINOR, currency_code: CURRENCY.to_owned() }),
                ..pb::RecordSaleRequest::default()
            };
            if number % 2 == 0 {
                request.coupon_code = COUPON_CODE.to_owned();
            } else {
                request.email = CUSTOMER_EMAIL.to_owned();
                request.tid.clone_from(&self.tid);
            }
            let sale = self.record_sale(request).await?;
            if sale.outcome() != pb::ConversionOutcome::Attributed {
                return Err(format!("sale {number} is {:?}", sale.outcome()).into());
            }
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    /// Repeats the call for as long as it may succeed later. The client itself repeats too, but only until the deadline of the call.
    /// The `event_id` makes it safe: the sale counts once, however often it is sent.
    async fn record_sale(&self, request: pb::RecordSaleRequest) -> Result<pb::RecordSaleResponse, Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.client.tracking().record_sale(request.clone()).await {
                Err(error) if error.is_temporary() && tries < TRIES_MAX => {
                    eprintln!("repeat {} after: {error}", request.event_id);
                }
                answer => return answer,
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Takes back a part of the first sale.
    pub(crate) async fn refund(&self) -> Result<(), Failure> {
        let refund = self
            .client
            .tracking()
            .record_refund(pb::RecordRefundRequest {
                event_id: "refund-1".to_owned(),
                sale_event_id: sale_event_id(1),
                amount: Some(pb::Money { amount_minor: REFUND_MINOR, currency_code: CURRENCY.to_owned() }),
                ..pb::RecordRefundRequest::default()
            })
            .await?;
        if refund.outcome() != pb::ConversionOutcome::Attributed {
            return Err(format!("the refund is {:?}", refund.outcome()).into());
        }
        Ok(())
    }

    /// Sends a sale with three wrong fields, and checks that the error names each of them.
    pub(crate) async fn check_bad_request(&self) -> Result<(), Failure> {
        let wrong = pb::RecordSaleRequest {
            email: CUSTOMER_EMAIL.to_owned(),
            amount: Some(pb::Money { amount_minor: -1, currency_code: "usd".to_owned() }),
            ..pb::RecordSaleRequest::default()
        };
        let error = match self.client.tracking().record_sale(wrong).await {
            Err(error) if error.reason() == pb::ErrorReason::InvalidFields => error,
            answer => return Err(format!("a wrong sale was answered with: {answer:?}").into()),
        };
        let fields: Vec<&str> = error.violations().iter().map(|violation| violation.field.as_str()).collect();
        for field in ["event_id", "amount.amount_minor", "amount.currency_code"] {
            if !fields.contains(&field) {
                return Err(format!("the error does not name the field {field}, only {fields:?}").into());
            }
        }
        println!("a wrong sale was refused: {} {fields:?}", error.reason_name());
        Ok(())
    }
}
