//! Figures: what is counted of clicks, conversions and rewards, for whom and by which time. Every figure is a sum over rows, and each
//! row says what it adds. What a change of rows adds is therefore what they add now, less what they added before. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::calendar::Quarter;
use super::click::Click;
use super::conversion::{Conversion, ConversionKind, WHOLE_SHARE_PPM};
use super::id::{AccountId, AffiliateId, LinkId, ProgramId};
use super::money::Currency;
use super::reward::{Reward, RewardState, RewardUnit};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Figure {
    /// Clicks.
    Clicks,
    /// Sign-ups that are credited.
    Leads,
    /// Sales that are credited.
    Sales,
    /// Refunds that are credited.
    Refunds,
    /// Cancellations that are credited.
    Cancellations,
    /// Appointments that are credited.
    Appointments,
    /// Events of the merchant's own kinds that are credited.
    CustomEvents,
    /// The amounts of these sales, in minor units, as they are after corrections.
    SaleAmount(Currency),
    /// The amounts of these refunds, in minor units, positive.
    RefundAmount(Currency),
    /// The values of the rewards that were not denied.
    Reward(RewardUnit, Currency),
}

/// Whose figure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Origin {
    pub affiliate_id: AffiliateId,
    pub program_id: ProgramId,
    /// The link that led to it, if one did.
    pub link_id: Option<LinkId>,
}

/// Sums by figure, in the order of the figures. None is zero. They are wider than one amount, because accounts may add up amounts without a
/// limit. They lie in one vector, because most places have two or three of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures(Vec<(Figure, i128)>);

impl Figures {
    /// No figures.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Whether all sums are zero.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many sums are not zero.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// The sums that are not zero.
    pub fn iter(&self) -> impl Iterator<Item = (Figure, i128)> {
        self.0.iter().copied()
    }

    /// Makes all sums zero.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds a value to a figure.
    pub fn add(&mut self, figure: Figure, value: i128) {
        match self.0.binary_search_by_key(&figure, |(other, _)| *other) {
            Ok(place) => {
                let sum = self.0[place].1.saturating_add(value);
                if sum == 0 {
                    self.0.remove(place);
                } else {
                    self.0[place].1 = sum;
                }
            }
            Err(place) if value != 0 => self.0.insert(place, (figure, value)),
            Err(_) => (),
        }
    }

    /// Adds other figures.
    pub fn add_all(&mut self, others: &Self) {
        if self.is_empty() {
            self.0.clone_from(&others.0);
            return;
        }
        others.iter().for_each(|(figure, value)| self.add(figure, value));
    }

    /// Takes figures away that are a part of these.
    pub fn take_all(&mut self, parts: &Self) {
        parts.iter().for_each(|(figure, value)| self.add(figure, value.saturating_neg()));
    }
}

impl FromIterator<(Figure, i128)> for Figures {
    fn from_iter<All: IntoIterator<Item = (Figure, i128)>>(all: All) -> Self {
        let mut figures = Self::new();
        all.into_iter().for_each(|(figure, value)| figures.add(figure, value));
        figures
    }
}

/// The sub-id of the click that led to what is counted. Never empty.
pub type SubId = Option<Arc<str>>;

/// The figures of one quarter of an hour, one origin and one sub-id.
pub type Place = (Quarter, Origin, SubId);

/// What rows add to the figures of accounts.
#[derive(Debug, Default)]
pub struct Changes {
    of_accounts: BTreeMap<AccountId, HashMap<Place, Figures>>,
}

impl Changes {
    /// Adds what a click adds, so many times.
    pub fn click(&mut self, click: &Click, times: i128) {
        let Click { account_id, affiliate_id, program_id, link_id, occurred_at, .. } = *click;
        let origin = Origin { affiliate_id, program_id, link_id: Some(link_id) };
        let sub_id: SubId = (!click.sub_id.is_empty()).then(|| click.sub_id.as_str().into());
        self.add(account_id, (Quarter::of(occurred_at), origin, sub_id), [(Figure::Clicks, times)]);
    }

    /// Adds what a conversion adds without its rewards, so many times. A shared one counts once, for the largest share; its amount is
    /// divided.
    pub fn conversion(&mut self, conversion: &Conversion, times: i128) {
        let (counted, amount_of, sign) = match conversion.kind {
            ConversionKind::Lead => (Figure::Leads, None, 0),
            ConversionKind::Cancellation => (Figure::Cancellations, None, 0),
            ConversionKind::Appointment => (Figure::Appointments, None, 0),
            ConversionKind::CustomEvent => (Figure::CustomEvents, None, 0),
            ConversionKind::Sale => (Figure::Sales, Some(Figure::SaleAmount as fn(Currency) -> Figure), 1),
            ConversionKind::Refund => (Figure::Refunds, Some(Figure::RefundAmount as fn(Currency) -> Figure), -1),
            // It is one refund less, and its amount has the other sign.
            ConversionKind::RefundUndo => (Figure::Refunds, Some(Figure::RefundAmount as fn(Currency) -> Figure), -1),
            // A dispute that is lost takes back as a refund does, and one that is won after all gives that back. Neither is a refund.
            ConversionKind::DisputeResolution => {
                (Figure::Refunds, Some(Figure::RefundAmount as fn(Currency) -> Figure), -1)
            }
            // A correction has changed the amount of its sale, and an open dispute takes nothing.
            ConversionKind::Correction | ConversionKind::Dispute => return,
        };
        let Conversion { account_id, occurred_at, amount, .. } = *conversion;
        let quarter = Quarter::of(occurred_at);
        let mut share_ppm = 0;
        for (number, credit) in conversion.credits.iter().enumerate() {
            let (affiliate_id, program_id, link_id) = (credit.affiliate_id, credit.program_id, credit.link_id);
            let place = (quarter, Origin { affiliate_id, program_id, link_id }, credit.sub_id.clone());
            let mut changed = SmallVec::<[_; 2]>::new();
            // A total that was known is no further refund, and neither is the end of a dispute.
            let is_counted = !conversion.order.was_known && conversion.kind != ConversionKind::DisputeResolution;
            if number == 0 && is_counted {
                changed.push((counted, if conversion.kind == ConversionKind::RefundUndo { -times } else { times }));
            }
            if let (Some(amount), Some(figure)) = (amount, amount_of) {
                let part_until = |share_ppm: i32| {
                    i128::from(amount.amount_minor) * i128::from(share_ppm) / i128::from(WHOLE_SHARE_PPM)
                };
                let before = part_until(share_ppm);
                share_ppm = share_ppm.saturating_add(credit.share_ppm);
                let part = part_until(share_ppm) - before;
                changed.push((figure(amount.currency), sign * times * part));
            }
            self.add(account_id, place, changed);
        }
    }

    /// Adds what a reward adds, so many times. It counts at the time of its conversion or click, and at its own if a person created it.
    pub fn reward(&mut self, reward: &Reward, conversion: Option<&Conversion>, times: i128) {
        if reward.state == RewardState::Denied {
            return;
        }
        let credits = conversion.map(|conversion| &conversion.credits[..]).unwrap_or_default();
        let credit = credits.iter().find(|credit| credit.enrollment_id == reward.enrollment_id);
        let Reward { account_id, affiliate_id, program_id, .. } = *reward;
        let click = reward.click.as_ref();
        // The link is that of the credited affiliate, and no upline's.
        let through = click.filter(|_| reward.upline().is_none());
        let link_id = credit.and_then(|credit| credit.link_id).or(through.map(|click| click.link_id));
        let origin = Origin { affiliate_id, program_id, link_id };
        let own = click.map_or(reward.created_at, |click| click.occurred_at);
        let at = conversion.map_or(own, |conversion| conversion.occurred_at);
        let of_click = through.map(|click| &click.sub_id).filter(|sub_id| !sub_id.is_empty());
        let sub_id = credit.and_then(|credit| credit.sub_id.clone()).or(of_click.cloned());
        let figure = Figure::Reward(reward.unit, reward.value.currency);
        let value = times * i128::from(reward.value.amount_minor);
        self.add(account_id, (Quarter::of(at), origin, sub_id), [(figure, value)]);
    }

    fn add(&mut self, account_id: AccountId, place: Place, changed: impl IntoIterator<Item = (Figure, i128)>) {
        let figures = self.of_accounts.entry(account_id).or_default().entry(place).or_default();
        changed.into_iter().filter(|(_, value)| *value != 0).for_each(|(figure, value)| figures.add(figure, value));
    }

    /// The sums of each account, in no order, without those that come to nothing.
    pub fn sums(self) -> impl Iterator<Item = (AccountId, HashMap<Place, Figures>)> {
        self.of_accounts.into_iter().filter_map(|(account_id, mut sums)| {
            sums.retain(|_, figures| !figures.is_empty());
            (!sums.is_empty()).then_some((account_id, sums))
        })
    }
}

/// Whether two versions of a conversion add the same, as all of its rewards then do.
pub fn conversions_add_the_same(one: &Conversion, other: &Conversion) -> bool {
    let counted = |row: &Conversion| (row.kind, row.occurred_at, row.amount);
    counted(one) == counted(other) && one.credits == other.credits
}

/// Whether two versions of a reward add the same, as long as its conversion does. An approval changes no figure.
pub fn rewards_add_the_same(one: &Reward, other: &Reward) -> bool {
    let counted = |row: &Reward| {
        let of = (row.conversion_id, row.created_at, row.affiliate_id, row.program_id, row.enrollment_id);
        (of, row.unit, row.value, row.state == RewardState::Denied)
    };
    counted(one) == counted(other)
}
