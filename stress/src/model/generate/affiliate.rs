//! Commands about affiliates: their creation, their states, their uplines and their erasure.

use headwater_client::pb;
use pb::affiliate_selector::Selector;

use super::owner::PAGES;
use super::{Generator, pick, some_id};
use crate::model::command::Command;
use crate::model::world::World;

impl Generator {
    pub(super) fn create_affiliate(&mut self, world: &World, label: u32) -> pb::CreateAffiliateRequest {
        let number = self.rng.u32(0..20);
        let program_id = self.any_program_id(world);
        let currency = self.currency_of(world, &program_id);
        pb::CreateAffiliateRequest {
            request_id: self.request_id(label),
            email: match self.rng.u32(0..30) {
                0 => "nobody".to_owned(),
                1 => format!(" Ann{number}@Affiliates.example"),
                _ => format!("ann{number}@affiliates.example"),
            },
            external_id: self.seldom(30, |generator| format!("external-{}", generator.rng.u32(0..12))),
            first_name: self.seldom(30, |_| "Ann Bea".to_owned()),
            last_name: String::new(),
            profile: self.maybe(15, Self::profile),
            ref_id: self.seldom(70, Self::code),
            coupon_code: self.seldom(40, Self::coupon_code),
            landing_url: self.seldom(15, |_| PAGES[1].to_owned()),
            commission_override: self.own_commission(&currency),
            program_id,
            ..pb::CreateAffiliateRequest::default()
        }
    }

    fn profile(&mut self) -> pb::AffiliateProfile {
        let city = self.seldom(50, |generator| format!("City {}", generator.rng.u32(0..5)));
        let address = pb::PostalAddress { city, country_code: "DE".to_owned(), ..Default::default() };
        let social = ["instagram", "mastodon", "youtube"].map(|network| (network.to_owned(), "@ann".to_owned()));
        pb::AffiliateProfile {
            address: self.maybe(50, |_| address),
            website_url: self.seldom(50, |_| PAGES[2].to_owned()),
            about: self.seldom(50, |_| "Writes about shops.".to_owned()),
            social_profiles: self.maybe(50, |_| social.into()).unwrap_or_default(),
            ..Default::default()
        }
    }

    pub(super) fn affiliate(&mut self, world: &World) -> pb::AffiliateSelector {
        let tokens: Vec<&String> = world.tokens.iter().filter(|token| !token.is_empty()).collect();
        let rng = &mut self.rng;
        let selector = match rng.u32(0..8) {
            0 => Selector::ExternalId(format!("external-{}", rng.u32(0..12))),
            1 => Selector::Email(format!("Ann{}@affiliates.example", rng.u32(0..20))),
            2 => Selector::RefId(self.code()),
            3 if !tokens.is_empty() => Selector::AuthToken(pick(rng, &tokens).clone()),
            _ => Selector::Id(some_id(rng, "aff", world.affiliates.iter().map(|row| &row.id))),
        };
        pb::AffiliateSelector { selector: Some(selector) }
    }

    fn affiliate_etag(&mut self) -> String {
        self.seldom(10, |generator| format!("v{}", generator.rng.u32(1..4)))
    }

    /// Deactivates an affiliate, often one that has pending rewards.
    pub(super) fn deactivate_affiliate(&mut self, world: &World, label: u32) -> Command {
        let is_pending = |row: &&pb::Reward| row.state() == pb::RewardState::Pending;
        let pending: Vec<&String> = world.rewards.iter().filter(is_pending).map(|row| &row.affiliate_id).collect();
        let affiliate = if pending.is_empty() || self.rng.u32(0..3) == 0 {
            self.affiliate(world)
        } else {
            pb::AffiliateSelector { selector: Some(Selector::Id(pick(&mut self.rng, &pending).clone())) }
        };
        Command::DeactivateAffiliate(pb::DeactivateAffiliateRequest {
            request_id: self.request_id(label),
            affiliate: Some(affiliate),
            pending_rewards: pick(&mut self.rng, &[1, 1, 2, 2, 3, 3, 3, 3, 3, 0]),
            reason: self.seldom(80, |_| "has left".to_owned()),
            etag: self.affiliate_etag(),
        })
    }

    /// Approves an affiliate, often one that was deactivated.
    pub(super) fn approve_affiliate(&mut self, world: &World, label: u32) -> Command {
        let is_inactive = |row: &&pb::Affiliate| row.state() == pb::AffiliateState::Inactive;
        let inactive: Vec<&String> = world.affiliates.iter().filter(is_inactive).map(|row| &row.id).collect();
        let affiliate = if inactive.is_empty() || self.rng.u32(0..4) == 0 {
            self.affiliate(world)
        } else {
            pb::AffiliateSelector { selector: Some(Selector::Id(pick(&mut self.rng, &inactive).clone())) }
        };
        Command::ApproveAffiliate(pb::ApproveAffiliateRequest {
            request_id: self.request_id(label),
            affiliate: Some(affiliate),
            etag: self.affiliate_etag(),
        })
    }

    pub(super) fn set_upline(&mut self, world: &World, label: u32) -> Command {
        Command::SetUpline(pb::SetUplineRequest {
            request_id: self.request_id(label),
            affiliate: Some(self.affiliate(world)),
            upline: self.maybe(80, |generator| generator.affiliate(world)),
            etag: self.affiliate_etag(),
        })
    }

    pub(super) fn erase_affiliate(&mut self, world: &World, label: u32) -> Command {
        Command::EraseAffiliate(pb::EraseAffiliateRequest {
            request_id: self.request_id(label),
            affiliate: Some(self.affiliate(world)),
            etag: self.affiliate_etag(),
        })
    }
}
