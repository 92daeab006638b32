//! Steps that read the results of other steps.

use headwater::domain::conversion::ConversionKind;
use headwater::domain::money::Currency;

use super::play::Player;
use super::request::customer;
use super::script::{Step, amount};
use super::{LeadFacts, World};

impl<W: World> Player<'_, W> {
    pub(super) async fn read_step(&mut self, step: &Step) -> String {
        match step.verb.as_str() {
            "balance" => {
                let currency: Currency = step.word(1).parse().unwrap();
                let affiliate_id = self.affiliate_id(step.word(0));
                let sums = self.world.balance(&affiliate_id, currency).await;
                let has_frozen = sums[3] != 0;
                let [pending, owed, earned, frozen] = sums.map(|sum| amount(sum, currency));
                let frozen = if has_frozen { format!(" frozen {frozen}") } else { String::new() };
                format!("pending {pending} owed {owed} earned {earned}{frozen}")
            }
            "tax-state" => {
                let affiliate_id = self.affiliate_id(step.word(0));
                self.world.tax_state(&affiliate_id).await
            }
            "year" => {
                let currency: Currency = step.word(2).parse().unwrap();
                let affiliate_id = self.affiliate_id(step.word(1));
                let sums = self.world.yearly_total(&affiliate_id, step.word(0).parse().unwrap(), currency).await;
                let [paid, returned, fees] = sums.map(|sum| amount(sum, currency));
                format!("paid {paid} returned {returned} fees {fees}")
            }
            "rewards" => {
                let affiliate_id = self.affiliate_id(step.word(0));
                let rewards = self.world.rewards(&affiliate_id).await.into_iter();
                let texts = rewards.map(|(value, currency, state)| format!("{} {state}", amount(value, currency)));
                texts.collect::<Vec<_>>().join(", ")
            }
            "customer" => {
                let (email, external_id) = customer(step.word(0));
                match self.world.lead(&email, &external_id).await {
                    Some(LeadFacts { state, affiliate_id: Some(affiliate_id), .. }) => {
                        format!("{state} {}", self.name_of(&affiliate_id))
                    }
                    Some(LeadFacts { state, .. }) => format!("{state} unbound"),
                    None => "unknown".to_owned(),
                }
            }
            "granted" => {
                let (email, external_id) = customer(step.word(0));
                let rewards = self.world.lead(&email, &external_id).await.map_or_else(Vec::new, |lead| lead.rewards);
                if rewards.is_empty() { "nothing".to_owned() } else { rewards.join(", ") }
            }
            "address-of" => {
                let (email, external_id) = customer(step.word(0));
                match self.world.lead(&email, &external_id).await {
                    Some(lead) if lead.email_as_sent.is_empty() => "normalized".to_owned(),
                    Some(lead) => lead.email_as_sent,
                    None => "unknown".to_owned(),
                }
            }
            "lines" => self.lines_step(step).await,
            "why" => {
                let kind = step.option("kind").map_or(ConversionKind::Sale, |kind| kind.parse().unwrap());
                let candidates = self.world.recorded(kind, step.word(0)).await.candidates.into_iter();
                candidates.map(|(source, result)| format!("{source}:{result}")).collect::<Vec<_>>().join(" ")
            }
            "explain" => {
                let kind = step.option("kind").map_or(ConversionKind::Sale, |kind| kind.parse().unwrap());
                let (result, actions) = self.world.explained(kind, step.word(0)).await;
                std::iter::once(result).chain(actions).collect::<Vec<_>>().join(" ")
            }
            "terms-of" => match self.world.recorded(ConversionKind::Sale, step.word(0)).await.terms_version {
                0 => "none".to_owned(),
                version => version.to_string(),
            },
            "feed" => self.world.feed().await.join(" "),
            other => panic!("line {}: no such verb: {other}", step.line_number),
        }
    }
}
