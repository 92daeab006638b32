//! Turns steps into requests, and answers into the scenarios' notation. Knows the messages, not how they are executed.

use std::collections::HashMap;

use headwater::domain::conversion::ConversionKind;
use headwater::domain::time::Time;
use headwater::pb;
use tonic::Status;

use super::World;
use super::request::{commission, customer, day_time, money, occur_time, time};
use super::script::{Step, amount};
use crate::support::feed::cash;
use crate::support::server::{START_MICROS, reason};

/// One scenario in a world, with the objects that it refers to by name.
pub(super) struct Player<'world, W> {
    pub(super) world: &'world mut W,
    /// Id and currency of programs.
    programs: HashMap<String, (String, String)>,
    affiliates: HashMap<String, String>,
    pub(super) visitors: HashMap<String, String>,
    /// The ids of the newest rewards of clicks by visitor.
    pub(super) click_rewards: HashMap<String, String>,
    /// The ids of the newest items by SKU.
    pub(super) items: HashMap<String, String>,
    pub(super) offers: HashMap<String, String>,
    /// The ids of bounties and of submissions.
    pub(super) bounties: HashMap<String, String>,
    pub(super) submissions: HashMap<String, String>,
    pub(super) payouts: HashMap<String, String>,
    /// The ids of payout runs.
    pub(super) runs: HashMap<String, String>,
    /// The files that were made.
    pub(super) exports: HashMap<String, pb::ExportPayoutFileResponse>,
    /// What a provider calls affiliates.
    pub(super) receivers: HashMap<String, String>,
    /// The ids of payout schedules.
    pub(super) schedules: HashMap<String, String>,
    /// The rules for the next terms.
    pub(super) rules: Vec<pb::CommissionRule>,
    pub(super) levels: Vec<pb::UplineLevel>,
    pub(super) caps: Vec<pb::Cap>,
    pub(super) ladder: Option<pb::Ladder>,
    pub(super) thresholds: Vec<pb::ThresholdBonus>,
    pub(super) promise: Option<pb::CustomerRewardPromise>,
    pub(super) enrollment_bonus: Option<pb::RewardValue>,
}

impl<'world, W: World> Player<'world, W> {
    pub(super) fn new(world: &'world mut W) -> Self {
        world.set_now(Time::from_micros(START_MICROS));
        let (programs, affiliates, visitors, items, offers) = Default::default();
        let (rules, levels, caps, ladder, promise, enrollment_bonus) = Default::default();
        let (bounties, submissions, payouts, click_rewards) = Default::default();
        Self {
            world,
            programs,
            affiliates,
            visitors,
            click_rewards,
            items,
            offers,
            bounties,
            submissions,
            payouts,
            runs: HashMap::new(),
            exports: HashMap::new(),
            receivers: HashMap::new(),
            rules,
            levels,
            caps,
            ladder,
            promise,
            enrollment_bonus,
            thresholds: Vec::new(),
            schedules: HashMap::new(),
        }
    }

    pub(super) async fn perform(&mut self, step: &Step) -> String {
        match self.try_perform(step).await {
            Ok(answer) => answer,
            Err(status) => format!("error {}", reason(&status)),
        }
    }

    async fn try_perform(&mut self, step: &Step) -> Result<String, Status> {
        match step.verb.as_str() {
            "day" => {
                self.world.set_now(time(step.word(0), step.option("second")));
                Ok("ok".to_owned())
            }
            "zone" => self.zone_step(step).await,
            "rule" | "levels" | "cap" | "ladder" | "threshold" => Ok(self.rule_step(step)),
            "promise" | "enrollment-bonus" => Ok(self.promise_step(step)),
            "fulfill" => self.fulfill_step(step).await,
            "upline" => self.upline_step(step).await,
            "country" | "group" => self.affiliate_fact_step(step).await,
            "by" => Ok(self.by_step(step).await),
            "fraud" => self.fraud_step(step).await,
            "release" => self.release_step(step).await,
            "flags" | "suspicion" => Ok(self.flags_step(step).await),
            "program" | "terms" | "withdraw-terms" | "archive" => self.program_step(step).await,
            "affiliate" | "enroll" => self.affiliate_step(step).await,
            "accept" | "reject" | "deactivate" | "erase" => self.state_step(step).await,
            "override" | "dated" | "withdraw-dated" | "ref" | "end" | "move" => self.enrollment_step(step).await,
            "link" | "revoke" | "coupon" | "coupon-rate" | "dated-coupon" | "withdraw-dated-coupon" | "remove" => {
                self.code_step(step).await
            }
            "item" | "archive-item" | "offer" | "claim" => self.offer_step(step).await,
            "bounty" | "contest" | "submit" | "approve-submission" | "reject-submission" | "winners" => {
                self.bounty_step(step).await
            }
            "click" => self.click_step(step).await,
            "deny-click" => self.deny_click_step(step).await,
            "lead" => self.lead_step(step).await,
            "sale" => self.sale_step(step).await,
            "refund" | "refund-total" => self.refund_step(step).await,
            "undo" => self.undo_step(step).await,
            "cancel" => self.cancel_step(step).await,
            "appointment" | "event" => self.other_event_step(step).await,
            "correct" => self.correct_step(step).await,
            "dispute" | "resolve" => self.dispute_step(step).await,
            "give" => self.give_step(step).await,
            "create-lead" | "update-lead" | "merge" | "attribute" | "delete-lead" => self.change_lead_step(step).await,
            "pay" | "payout" | "cancel-payout" | "confirm-payout" | "reopen-payout" | "approve-payout"
            | "pay-policy" | "method" | "remove-method" | "connect" | "disconnect" => self.payout_step(step).await,
            "tax" | "confirm-tax" | "refuse-tax" | "remove-tax" => self.tax_step(step).await,
            "schedule" | "reschedule" | "archive-schedule" | "run-due" => self.schedule_step(step).await,
            "approve" | "deny" | "approve-due" => self.reward_step(step).await,
            "server" | "money" | "receiver" | "stripe-receiver" | "fault" | "no-faults" | "got" | "pass" | "send"
            | "sent" | "attempts" | "told" | "retry-payout" | "funds-added" | "owed" | "statement" | "export"
            | "export-again" | "run" | "preview" | "payouts-of" => self.sending_step(step).await,
            _ => Ok(self.read_step(step).await),
        }
    }

    pub(super) fn name_of(&self, id: &str) -> String {
        self.affiliates.iter().find(|(_, other)| *other == id).map(|(name, _)| name.clone()).unwrap()
    }

    /// The name of the affiliate that has the whole credit, or the names of those who share it, with their shares.
    pub(super) fn credited(&self, credits: &[pb::Credit]) -> String {
        assert_eq!(credits.iter().map(|credit| credit.share_ppm).sum::<i32>(), 1_000_000);
        if let [credit] = credits {
            return self.name_of(&credit.affiliate_id);
        }
        let share = |credit: &pb::Credit| {
            let (percent, rest) = (credit.share_ppm / 10_000, format!("{:04}", credit.share_ppm % 10_000));
            let number = format!("{percent}.{rest}");
            let number = number.trim_end_matches('0').trim_end_matches('.');
            format!("{}:{number}%", self.name_of(&credit.affiliate_id))
        };
        credits.iter().map(share).collect::<Vec<_>>().join(" ")
    }

    pub(super) fn affiliate_id(&self, name: &str) -> String {
        self.affiliates[name].clone()
    }

    pub(super) fn program_named(&self, name: &str) -> String {
        self.programs[name].0.clone()
    }

    pub(super) fn program_id(&self, step: &Step) -> String {
        step.option("program").map(|name| self.programs[name].0.clone()).unwrap_or_default()
    }

    pub(super) fn selector(&self, affiliate: &str) -> Option<pb::AffiliateSelector> {
        let id = self.affiliate_id(affiliate);
        Some(pb::AffiliateSelector { selector: Some(pb::affiliate_selector::Selector::Id(id)) })
    }

    async fn enrollment_id(&mut self, affiliate: &str, step: &Step) -> String {
        let (affiliate_id, program_id) = (self.affiliate_id(affiliate), self.program_id(step));
        self.world.enrollment_id(&affiliate_id, &program_id).await
    }

    async fn program_step(&mut self, step: &Step) -> Result<String, Status> {
        let name = step.word(0).to_owned();
        match step.verb.as_str() {
            "archive" => {
                let program_id = self.programs[&name].0.clone();
                self.world.change(pb::ArchiveProgramRequest { program_id, ..Default::default() }).await?;
            }
            "terms" => {
                let (id, currency) = self.programs[&name].clone();
                let terms = Some(self.terms(step, 1, &currency));
                let request = pb::UpdateProgramRequest {
                    program: Some(pb::Program { id, terms, ..Default::default() }),
                    update_mask: Some(prost_types::FieldMask { paths: vec!["terms".to_owned()] }),
                    terms_start_time: step.option("from").and_then(day_time),
                    terms_end_time: step.option("until").and_then(day_time),
                    ..Default::default()
                };
                self.world.change(request).await?;
            }
            "withdraw-terms" => {
                let id = self.programs[&name].0.clone();
                let request = pb::UpdateProgramRequest {
                    program: Some(pb::Program { id, ..Default::default() }),
                    withdraw_terms_version: step.word(1).parse().unwrap(),
                    ..Default::default()
                };
                self.world.change(request).await?;
            }
            _ => {
                let currency = step.word(1).to_owned();
                let request = pb::CreateProgramRequest {
                    display_name: name.clone(),
                    currency_code: currency.clone(),
                    landing_url: "https://shop.example/".to_owned(),
                    terms: Some(self.terms(step, 2, &currency)),
                    ..Default::default()
                };
                let program = self.world.change(request).await?.program.unwrap();
                self.programs.insert(name, (program.id, currency));
            }
        }
        Ok("ok".to_owned())
    }

    async fn affiliate_step(&mut self, step: &Step) -> Result<String, Status> {
        let name = step.word(0).to_owned();
        let ref_id = step.option("ref").unwrap_or(&name).to_owned();
        let coupon_code = step.option("coupon").unwrap_or_default().to_owned();
        let commission_override = step.option("commission").map(|text| commission(text, "USD"));
        let program_id = self.program_id(step);
        if step.verb == "enroll" {
            let affiliate = self.selector(&name);
            let request = pb::EnrollAffiliateRequest {
                affiliate,
                program_id,
                ref_id,
                coupon_code,
                commission_override,
                ..Default::default()
            };
            self.world.change(request).await?;
        } else {
            let state = match step.option("state") {
                Some("applied") => pb::AffiliateState::Applied,
                Some("inactive") => pb::AffiliateState::Inactive,
                _ => pb::AffiliateState::Unspecified,
            };
            let request = pb::CreateAffiliateRequest {
                state: state.into(),
                email: step.option("email").map_or_else(|| format!("{name}@affiliates.example"), str::to_owned),
                first_name: name.clone(),
                program_id,
                ref_id,
                coupon_code,
                commission_override,
                ..Default::default()
            };
            let made = self.world.change(request).await?;
            self.affiliates.insert(name, made.affiliate.unwrap().id);
        }
        Ok("ok".to_owned())
    }

    async fn state_step(&mut self, step: &Step) -> Result<String, Status> {
        let affiliate = self.selector(step.word(0));
        let reason = "no".to_owned();
        let changed = match step.verb.as_str() {
            "accept" => {
                self.world.change(pb::ApproveAffiliateRequest { affiliate, ..Default::default() }).await?.affiliate
            }
            "erase" => {
                self.world.change(pb::EraseAffiliateRequest { affiliate, ..Default::default() }).await?.affiliate
            }
            "reject" => {
                let request = pb::RejectAffiliateRequest { affiliate, reason, ..Default::default() };
                self.world.change(request).await?.affiliate
            }
            _ => {
                let pending_rewards = pb::PendingRewards::Keep.into();
                let request = pb::DeactivateAffiliateRequest { affiliate, pending_rewards, ..Default::default() };
                self.world.change(request).await?.affiliate
            }
        };
        Ok(short(changed.unwrap().state().as_str_name(), "AFFILIATE_STATE_"))
    }

    async fn enrollment_step(&mut self, step: &Step) -> Result<String, Status> {
        let id = self.enrollment_id(step.word(0), step).await;
        // `dated AFFILIATE [COMMISSION] [from=DAY] [until=DAY]` and `withdraw-dated AFFILIATE NUMBER`. Coupons have the same steps with their code.
        let update = |path: &str, enrollment| pb::UpdateEnrollmentRequest {
            enrollment: Some(enrollment),
            update_mask: Some(prost_types::FieldMask { paths: vec![path.to_owned()] }),
            ..Default::default()
        };
        match step.verb.as_str() {
            "dated" => {
                let enrollment = Some(pb::Enrollment { id, ..Default::default() });
                let dated_commission = Some(dated_commission(step, step.words.get(1)));
                self.world
                    .change(pb::UpdateEnrollmentRequest { enrollment, dated_commission, ..Default::default() })
                    .await?;
            }
            "withdraw-dated" => {
                let request = pb::UpdateEnrollmentRequest {
                    enrollment: Some(pb::Enrollment { id, ..Default::default() }),
                    withdraw_dated_commission: step.word(1).parse().unwrap(),
                    ..Default::default()
                };
                self.world.change(request).await?;
            }
            "override" => {
                let commission_override = Some(commission(step.word(1), "USD"));
                let enrollment = pb::Enrollment { id, commission_override, ..Default::default() };
                self.world.change(update("commission_override", enrollment)).await?;
            }
            "ref" => {
                let enrollment = pb::Enrollment { id, ref_id: step.word(1).to_owned(), ..Default::default() };
                self.world.change(update("ref_id", enrollment)).await?;
            }
            "move" => {
                let program_id = self.programs[step.option("to").unwrap()].0.clone();
                let leads = match step.option("leads") {
                    Some("stay") => pb::MovedLeads::Stay,
                    _ => pb::MovedLeads::Unspecified,
                };
                let request = pb::MoveEnrollmentRequest {
                    enrollment_id: id,
                    program_id,
                    leads: leads.into(),
                    ..Default::default()
                };
                self.world.change(request).await?;
            }
            _ => {
                self.world.change(pb::EndEnrollmentRequest { enrollment_id: id, ..Default::default() }).await?;
            }
        }
        Ok("ok".to_owned())
    }

    async fn code_step(&mut self, step: &Step) -> Result<String, Status> {
        let code = step.word(0).to_owned();
        match step.verb.as_str() {
            "link" => {
                let enrollment_id = self.enrollment_id(step.word(1), step).await;
                self.world.change(pb::CreateLinkRequest { enrollment_id, code, ..Default::default() }).await?;
            }
            "revoke" => {
                let link_id = self.world.link_id(&code).await;
                self.world.change(pb::RevokeLinkRequest { link_id, ..Default::default() }).await?;
            }
            "coupon" => {
                let (affiliate, program_id) = (self.selector(step.word(1)), self.program_id(step));
                let request = pb::AssignCouponRequest {
                    affiliate,
                    program_id,
                    code,
                    item: super::offer::item(step),
                    start_time: super::offer::day(step, "from"),
                    end_time: super::offer::day(step, "until"),
                    channel: channel(step).into(),
                    max_uses: super::offer::limit(step, "uses"),
                    max_uses_per_customer: super::offer::limit(step, "each"),
                    commission: step.option("commission").map(|text| commission(text, "USD")),
                    commission_end_time: super::offer::day(step, "rate-until"),
                    dated_commission: step.option("dated").map(|text| pb::DatedCommission {
                        commission: Some(commission(text, "USD")),
                        start_time: super::offer::day(step, "dated-from"),
                        end_time: super::offer::day(step, "dated-until"),
                        ..Default::default()
                    }),
                    ..Default::default()
                };
                self.world.change(request).await?;
            }
            "dated-coupon" | "withdraw-dated-coupon" => {
                let is_new = step.verb == "dated-coupon";
                let coupon = pb::Coupon { id: self.world.coupon_id(&code).await, ..Default::default() };
                let request = pb::UpdateCouponRequest {
                    coupon: Some(coupon),
                    dated_commission: is_new.then(|| dated_commission(step, step.words.get(1))),
                    withdraw_dated_commission: if is_new { 0 } else { step.word(1).parse().unwrap() },
                    ..Default::default()
                };
                self.world.change(request).await?;
            }
            "coupon-rate" => {
                let coupon = pb::Coupon {
                    id: self.world.coupon_id(&code).await,
                    commission: step.words.get(1).map(|text| commission(text, "USD")),
                    commission_end_time: super::offer::day(step, "rate-until"),
                    ..Default::default()
                };
                let update_mask = Some(prost_types::FieldMask { paths: vec!["commission".to_owned()] });
                let request = pb::UpdateCouponRequest { coupon: Some(coupon), update_mask, ..Default::default() };
                self.world.change(request).await?;
            }
            _ => {
                let coupon_id = self.world.coupon_id(&code).await;
                self.world.change(pb::RemoveCouponRequest { coupon_id, ..Default::default() }).await?;
            }
        }
        Ok("ok".to_owned())
    }

    pub(super) fn tid(&self, step: &Step) -> String {
        step.option("visitor")
            .map(|name| self.visitors.get(name).map_or(name, String::as_str))
            .unwrap_or_default()
            .to_owned()
    }

    async fn lead_step(&mut self, step: &Step) -> Result<String, Status> {
        let (email, external_id) = customer(step.word(1));
        let state = match step.option("state") {
            Some("subscribed") => pb::LeadState::Subscribed,
            _ => pb::LeadState::Unspecified,
        };
        let request = pb::RecordLeadRequest {
            event_id: step.word(0).to_owned(),
            email,
            external_id,
            tid: self.tid(step),
            ref_id: step.option("ref").unwrap_or_default().to_owned(),
            coupon_code: step.option("coupon").unwrap_or_default().to_owned(),
            state: state.into(),
            occur_time: occur_time(step),
            metadata: super::rules::metadata(step),
            country_code: step.option("country").unwrap_or_default().to_owned(),
            ..Default::default()
        };
        let answer = self.world.change(request).await?;
        let text = match answer.outcome() {
            pb::ConversionOutcome::Attributed => {
                format!("attributed {}{}", self.credited(&answer.credits), values_text(&answer.rewards))
            }
            outcome => outcome_text(outcome),
        };
        Ok(replayed(answer.replayed, text))
    }

    async fn sale_step(&mut self, step: &Step) -> Result<String, Status> {
        let (email, external_id) = customer(step.word(1));
        let currency = step.word(3);
        let request = pb::RecordSaleRequest {
            event_id: step.word(0).to_owned(),
            email,
            external_id,
            tid: self.tid(step),
            ref_id: step.option("ref").unwrap_or_default().to_owned(),
            coupon_code: step.option("coupon").unwrap_or_default().to_owned(),
            amount: Some(money(step.word(2), currency)),
            mrr: step.option("mrr").map(|mrr| money(mrr, currency)),
            channel: channel(step).into(),
            item_sku: step.option("item").unwrap_or_default().to_owned(),
            plan: step.option("plan").unwrap_or_default().to_owned(),
            order_id: step.option("order").unwrap_or_default().to_owned(),
            quantity: step.option("quantity").map_or(0, |number| number.parse().unwrap()),
            lines: super::line::sale_lines(step, currency),
            collections: step
                .option("collections")
                .map_or_else(Vec::new, |names| names.split(',').map(str::to_owned).collect()),
            occur_time: occur_time(step),
            metadata: super::rules::metadata(step),
            country_code: step.option("country").unwrap_or_default().to_owned(),
            ..Default::default()
        };
        let answer = self.world.change(request).await?;
        assert!(!answer.conversion_id.is_empty(), "a sale has a conversion, referred or not");
        let text = match answer.outcome() {
            pb::ConversionOutcome::Attributed => {
                format!("attributed {}{}", self.credited(&answer.credits), rewards_text(&answer.rewards))
            }
            outcome => {
                assert!(answer.credits.is_empty(), "{answer:?}");
                outcome_text(outcome)
            }
        };
        Ok(replayed(answer.replayed, text))
    }

    /// `correct ID SALE AMOUNT CURRENCY`
    async fn correct_step(&mut self, step: &Step) -> Result<String, Status> {
        let request = pb::CorrectSaleRequest {
            event_id: step.word(0).to_owned(),
            sale_event_id: step.word(1).to_owned(),
            amount: Some(money(step.word(2), step.word(3))),
            lines: super::line::sale_lines(step, step.word(3)),
            occur_time: occur_time(step),
            ..Default::default()
        };
        let answer = self.world.change(request).await?;
        let text = match answer.outcome() {
            pb::ConversionOutcome::Attributed => format!("attributed{}", rewards_text(&answer.rewards)),
            outcome => outcome_text(outcome),
        };
        let is_outdated = answer.warnings.iter().any(|warning| warning.field == "occur_time");
        Ok(replayed(answer.replayed, if is_outdated { format!("{text} outdated") } else { text }))
    }

    /// `dispute ID SALE [AMOUNT CURRENCY]` and `resolve ID DISPUTE won|lost [AMOUNT CURRENCY]`
    async fn dispute_step(&mut self, step: &Step) -> Result<String, Status> {
        let event_id = step.word(0).to_owned();
        let amount = |place: usize| step.words.get(place).map(|text| money(text, step.word(place + 1)));
        let (outcome, rewards, is_replayed) = if step.verb == "dispute" {
            let request = pb::OpenDisputeRequest {
                event_id,
                sale_event_id: step.word(1).to_owned(),
                amount: amount(2),
                occur_time: occur_time(step),
                ..Default::default()
            };
            let answer = self.world.change(request).await?;
            (answer.outcome(), answer.rewards, answer.replayed)
        } else {
            let outcome = match step.word(2) {
                "won" => pb::DisputeOutcome::Won,
                "lost" => pb::DisputeOutcome::Lost,
                other => panic!("no such outcome: {other}"),
            };
            let request = pb::ResolveDisputeRequest {
                event_id,
                dispute_event_id: step.word(1).to_owned(),
                outcome: outcome.into(),
                lost_amount: amount(3),
                occur_time: occur_time(step),
                ..Default::default()
            };
            let answer = self.world.change(request).await?;
            (answer.outcome(), answer.rewards, answer.replayed)
        };
        let text = match outcome {
            pb::ConversionOutcome::Attributed => format!("attributed{}", rewards_text(&rewards)),
            outcome => outcome_text(outcome),
        };
        Ok(replayed(is_replayed, text))
    }

    async fn cancel_step(&mut self, step: &Step) -> Result<String, Status> {
        let (email, external_id) = customer(step.word(1));
        let request = pb::RecordCancellationRequest {
            event_id: step.word(0).to_owned(),
            email,
            external_id,
            occur_time: occur_time(step),
        };
        let answer = self.world.change(request).await?;
        Ok(replayed(answer.replayed, outcome_text(answer.outcome())))
    }

    /// `give AFFILIATE AMOUNT CURRENCY`, or a customer in place of the affiliate.
    async fn give_step(&mut self, step: &Step) -> Result<String, Status> {
        use pb::create_reward_request::Recipient;
        use pb::reward_value::Amount;
        let recipient = if step.word(0).contains('@') {
            let selector = pb::lead_selector::Selector::Email(step.word(0).to_owned());
            Recipient::Lead(pb::LeadSelector { selector: Some(selector) })
        } else {
            let selector = pb::enrollment_selector::Selector::Id(self.enrollment_id(step.word(0), step).await);
            Recipient::Enrollment(pb::EnrollmentSelector { selector: Some(selector) })
        };
        let state = step.option("state").map_or(pb::RewardState::Unspecified, |name| match name {
            "pending" => pb::RewardState::Pending,
            "denied" => pb::RewardState::Denied,
            other => panic!("no such state: {other}"),
        });
        let request = pb::CreateRewardRequest {
            recipient: Some(recipient),
            value: Some(pb::RewardValue { amount: Some(Amount::Cash(money(step.word(1), step.word(2)))) }),
            state: state.into(),
            ..Default::default()
        };
        let reward = self.world.change(request).await?.reward.unwrap();
        let state = short(reward.state().as_str_name(), "REWARD_STATE_");
        Ok(format!("{state} {}", self.name_of(&reward.affiliate_id)))
    }

    async fn reward_step(&mut self, step: &Step) -> Result<String, Status> {
        if step.verb == "approve-due" {
            return Ok(self.world.approve_due().await.to_string());
        }
        let kind = step.option("kind").map_or(ConversionKind::Sale, |kind| kind.parse().unwrap());
        let reward_ids = self.world.recorded(kind, step.word(0)).await.reward_ids;
        if step.verb == "approve" {
            self.world.change(pb::ApproveRewardsRequest { reward_ids, ..Default::default() }).await?;
        } else {
            let reason = "no".to_owned();
            self.world.change(pb::DenyRewardsRequest { reward_ids, reason, ..Default::default() }).await?;
        }
        Ok("ok".to_owned())
    }
}

/// The channel of a sale, or of the sales that a coupon is for.
fn channel(step: &Step) -> pb::SaleChannel {
    match step.option("channel") {
        Some("pos") => pb::SaleChannel::PointOfSale,
        _ => pb::SaleChannel::Unspecified,
    }
}

/// An enum value's name in lower case, without the prefix of its enum.
pub(super) fn short(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase()
}

pub(super) fn outcome_text(outcome: pb::ConversionOutcome) -> String {
    short(outcome.as_str_name(), "CONVERSION_OUTCOME_")
}

pub(super) fn replayed(was_replayed: bool, text: String) -> String {
    if was_replayed { format!("replayed {text}") } else { text }
}

pub(super) fn rewards_text(rewards: &[pb::RewardSummary]) -> String {
    if rewards.is_empty() {
        return " nothing".to_owned();
    }
    values_text(rewards)
}

/// The values of rewards, each with a blank before it.
pub(super) fn values_text(rewards: &[pb::RewardSummary]) -> String {
    let values = rewards.iter().map(|reward| cash(reward.value.as_ref()));
    values.map(|value| format!(" {}", amount(value.amount_minor, value.currency_code.parse().unwrap()))).collect()
}

/// A commission for a time. Without a text it is that of the terms.
fn dated_commission(step: &Step, text: Option<&String>) -> pb::DatedCommission {
    pb::DatedCommission {
        commission: text.map(|text| commission(text, "USD")),
        start_time: step.option("from").and_then(day_time),
        end_time: step.option("until").and_then(day_time),
        ..Default::default()
    }
}
