//! Steps of tax profiles.

use headwater::pb;
use tonic::Status;

use super::World;
use super::play::{Player, short};
use super::script::Step;

impl<W: World> Player<'_, W> {
    /// `tax AFFILIATE FORM`, with the number as KIND:TEXT, the kind of payee, the country and the day of the signature; or the owner's answer.
    pub(super) async fn tax_step(&mut self, step: &Step) -> Result<String, Status> {
        let affiliate = self.selector(step.word(0));
        let profile = match step.verb.as_str() {
            "confirm-tax" => {
                let request = pb::ConfirmTaxProfileRequest { affiliate, ..Default::default() };
                self.world.change(request).await?.tax_profile
            }
            "refuse-tax" => {
                let reason = step.word(1).to_owned();
                let request = pb::RefuseTaxProfileRequest { affiliate, reason, ..Default::default() };
                self.world.change(request).await?.tax_profile
            }
            "remove-tax" => {
                let request = pb::RemoveTaxProfileRequest { affiliate, ..Default::default() };
                self.world.change(request).await?.tax_profile
            }
            _ => self.world.change(profile(step, affiliate)).await?.tax_profile,
        };
        Ok(facts(&profile.unwrap()))
    }
}

fn profile(step: &Step, affiliate: Option<pb::AffiliateSelector>) -> pb::SetTaxProfileRequest {
    let country_code = step.option("country").unwrap_or("US").to_owned();
    let form = format!("TAX_FORM_{}", step.word(1).to_uppercase());
    let payee_kind = format!("PAYEE_KIND_{}", step.option("kind").unwrap_or("individual").to_uppercase());
    let number = step.option("number").map(|number| {
        let (kind, text) = number.split_once(':').unwrap();
        let kind = format!("TAX_NUMBER_KIND_{}", kind.to_uppercase());
        pb::TaxNumber { kind: pb::TaxNumberKind::from_str_name(&kind).unwrap().into(), text: text.to_owned() }
    });
    let address = pb::PostalAddress {
        street: "Main Street 1".to_owned(),
        city: "Springfield".to_owned(),
        country_code: country_code.clone(),
        ..Default::default()
    };
    pb::SetTaxProfileRequest {
        affiliate,
        payee_kind: pb::PayeeKind::from_str_name(&payee_kind).unwrap().into(),
        legal_name: "Ann Ample".to_owned(),
        address: Some(address),
        residence_country_code: country_code,
        form: pb::TaxForm::from_str_name(&form).unwrap().into(),
        sign_date: step.option("signed").unwrap_or_default().to_owned(),
        number,
        ..Default::default()
    }
}

/// State, form and masked number of a profile.
fn facts(profile: &pb::TaxProfile) -> String {
    let state = short(profile.state().as_str_name(), "TAX_PROFILE_STATE_");
    if profile.form() == pb::TaxForm::Unspecified {
        return state;
    }
    let form = short(profile.form().as_str_name(), "TAX_FORM_");
    [state, form, profile.number_hint.clone()].join(" ").trim().to_owned()
}
