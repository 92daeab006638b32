//! A merchant with one program at 20 % and one affiliate, Ann, with the ref_id `ann` and the code `ANN`.

use headwater::pb;
use testkit::client::Client;

use super::server::TestServer;

pub(crate) struct Shop {
    /// A client with the account's admin key.
    pub(crate) client: Client,
    pub(crate) program_id: String,
    pub(crate) affiliate_id: String,
}

impl Shop {
    pub(crate) async fn open(server: &TestServer, name: &str) -> Self {
        Self::furnish(server.new_account(name).await).await
    }

    /// Sets up a shop in a new account.
    pub(crate) async fn furnish(client: Client) -> Self {
        Self::furnish_with(client, pb::Terms::default()).await
    }

    /// Sets up a shop whose program has these terms, with the commission of 20 %.
    pub(crate) async fn furnish_with(mut client: Client, terms: pb::Terms) -> Self {
        let commission = pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(200_000)) };
        let request = pb::CreateProgramRequest {
            display_name: "main".to_owned(),
            currency_code: "USD".to_owned(),
            landing_url: "https://shop.example/".to_owned(),
            terms: Some(pb::Terms { commission: Some(commission), ..terms }),
            ..pb::CreateProgramRequest::default()
        };
        let program = client.affiliates.create_program(request).await.unwrap().into_inner().program.unwrap();
        let request = pb::CreateAffiliateRequest {
            email: "ann@affiliates.example".to_owned(),
            first_name: "Ann".to_owned(),
            ref_id: "ann".to_owned(),
            coupon_code: "ANN".to_owned(),
            ..pb::CreateAffiliateRequest::default()
        };
        let made = client.affiliates.create_affiliate(request).await.unwrap().into_inner();
        Self { client, program_id: program.id, affiliate_id: made.affiliate.unwrap().id }
    }

    pub(crate) fn affiliate(&self) -> pb::AffiliateSelector {
        pb::AffiliateSelector { selector: Some(pb::affiliate_selector::Selector::Id(self.affiliate_id.clone())) }
    }
}

/// A sale of 10 dollars with Ann's code.
pub(crate) fn sale(number: usize) -> pb::RecordSaleRequest {
    pb::RecordSaleRequest {
        event_id: format!("sale-{number}"),
        coupon_code: "ANN".to_owned(),
        amount: Some(pb::Money { amount_minor: 1_000, currency_code: "USD".to_owned() }),
        ..pb::RecordSaleRequest::default()
    }
}
