//! Random histories of two customers: what happens, in which order, and how late it is told.

use headwater::pb;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::properties::step::values;

pub(super) const AFFILIATES: usize = 3;
pub(super) const MINUTE_MICROS: i64 = 60_000_000;
/// The window of all programs. Histories are longer than it.
pub(super) const WINDOW_DAYS: i32 = 10;

#[derive(Debug, Clone, Default)]
pub(super) struct Traces {
    pub(super) visitor: Option<usize>,
    pub(super) affiliate: Option<usize>,
    pub(super) coupon: Option<usize>,
}

#[derive(Debug, Clone)]
pub(super) enum Event {
    Click {
        visitor: usize,
        affiliate: usize,
    },
    Lead {
        customer: usize,
        traces: Traces,
    },
    Sale {
        customer: usize,
        traces: Traces,
        amount: i64,
        is_named: bool,
    },
    Appointment {
        customer: usize,
        traces: Traces,
        is_named: bool,
    },
    /// A part of an earlier sale: all that is left, or the amount divided by this number.
    Refund {
        sale: usize,
        divisor: i64,
    },
}

/// The acts of the owner.
#[derive(Debug, Clone)]
pub(super) enum Owner {
    RemoveCoupon {
        code: usize,
    },
    AssignCoupon {
        code: usize,
        affiliate: usize,
    },
    RevokeLink {
        affiliate: usize,
    },
    End {
        affiliate: usize,
    },
    Enroll {
        affiliate: usize,
    },
    Commission {
        affiliate: usize,
        percent_ppm: i32,
    },
    /// The minutes until the version starts, and those for which it lasts; 0 for ever.
    Terms {
        program: usize,
        percent_ppm: i32,
        reach: i32,
        starts_in: i64,
        lasts: i64,
    },
    Archive {
        program: usize,
    },
}

#[derive(Debug, Clone)]
pub(super) enum What {
    Event(Event),
    Owner(Owner),
}

/// Something that happens, some time after the previous one.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) minutes_later: i64,
    pub(super) what: What,
    /// How many items later it is told, and its place among those told then. The owner's changes happen when they happen.
    pub(super) delay: usize,
    pub(super) rank: u16,
}

#[derive(Debug, Clone)]
pub(super) struct History {
    pub(super) models: [i32; 2],
    pub(super) precedences: [[pb::AttributionSource; 3]; 2],
    /// The caps of all versions of each program's terms.
    pub(super) caps: [Vec<pb::Cap>; 2],
    /// The ladders of all versions of each program's terms.
    pub(super) ladders: [Option<pb::Ladder>; 2],
    /// Whether all versions of each program's terms pay for new customers only.
    pub(super) new_customers_only: [bool; 2],
    pub(super) items: Vec<Item>,
}

fn traces() -> impl Strategy<Value = Traces> {
    (option::weighted(0.4, 0..2_usize), option::weighted(0.2, 0..AFFILIATES), option::weighted(0.2, 0..2_usize))
        .prop_map(|(visitor, affiliate, coupon)| Traces { visitor, affiliate, coupon })
}

/// Most events are of the first customer.
fn customer() -> impl Strategy<Value = usize> {
    prop_oneof![4 => Just(0), 1 => Just(1)]
}

pub(super) fn name_of(customer: usize) -> String {
    format!("customer-{customer}")
}

fn event() -> impl Strategy<Value = Event> {
    let amount = select(vec![5_i64, 33, 50, 99, 1_000, 1_015]);
    prop_oneof![
        5 => (0..2_usize, 0..AFFILIATES).prop_map(|(visitor, affiliate)| Event::Click { visitor, affiliate }),
        4 => (customer(), traces()).prop_map(|(customer, traces)| Event::Lead { customer, traces }),
        6 => (customer(), traces(), amount, prop::bool::weighted(0.9))
            .prop_map(|(customer, traces, amount, is_named)| Event::Sale { customer, traces, amount, is_named }),
        2 => (customer(), traces(), prop::bool::weighted(0.9))
            .prop_map(|(customer, traces, is_named)| Event::Appointment { customer, traces, is_named }),
        3 => (0..4_usize, select(vec![1_i64, 2, 3, 7])).prop_map(|(sale, divisor)| Event::Refund { sale, divisor }),
    ]
}

fn owner() -> impl Strategy<Value = Owner> {
    let percent = || select(vec![100_000, 500_000]);
    prop_oneof![
        2 => (0..2_usize).prop_map(|code| Owner::RemoveCoupon { code }),
        2 => (0..2_usize, 0..AFFILIATES).prop_map(|(code, affiliate)| Owner::AssignCoupon { code, affiliate }),
        1 => (0..AFFILIATES).prop_map(|affiliate| Owner::RevokeLink { affiliate }),
        6 => (0..AFFILIATES).prop_map(|affiliate| Owner::End { affiliate }),
        2 => (0..AFFILIATES).prop_map(|affiliate| Owner::Enroll { affiliate }),
        2 => (0..AFFILIATES, percent())
            .prop_map(|(affiliate, percent_ppm)| Owner::Commission { affiliate, percent_ppm }),
        2 => (0..2_usize, percent(), select(values::<pb::TermsReach>()), select(vec![0_i64, 90, 1_500]), select(vec![0_i64, 6_000]))
            .prop_map(|(program, percent_ppm, reach, starts_in, lasts)| {
                Owner::Terms { program, percent_ppm, reach, starts_in, lasts }
            }),
        1 => (0..2_usize).prop_map(|program| Owner::Archive { program }),
    ]
}

fn item() -> impl Strategy<Value = Item> {
    let what = prop_oneof![3 => event().prop_map(What::Event), 1 => owner().prop_map(What::Owner)];
    (select(vec![15_i64, 90, 1_500, 6_000]), what, 0..8_usize, any::<u16>())
        .prop_map(|(minutes_later, what, delay, rank)| Item { minutes_later, what, delay, rank })
}

/// Caps under which the order in which events are told does not matter.
pub(super) fn caps() -> impl Strategy<Value = Vec<pb::Cap>> {
    use pb::CapScope::{Affiliate, Customer, SingleEvent};
    let usd = |amount_minor| Some(pb::Money { amount_minor, currency_code: "USD".to_owned() });
    let cap = (select(vec![Affiliate, Customer]), select(values::<pb::Period>()), select(vec![3_i64, 20, 150, 300]));
    let cap =
        cap.prop_map(move |(scope, period, maximum)| pb::Cap { scope: scope.into(), period, maximum: usd(maximum) });
    let of_event = select(vec![2_i64, 100]).prop_map(move |maximum| pb::Cap {
        scope: SingleEvent.into(),
        maximum: usd(maximum),
        ..Default::default()
    });
    (option::weighted(0.4, cap), option::weighted(0.1, of_event))
        .prop_map(|(cap, of_event)| cap.into_iter().chain(of_event).collect())
}

pub(super) fn history() -> impl Strategy<Value = History> {
    use pb::AttributionSource::{Click, Coupon, LeadBinding};
    let orders = || {
        prop_oneof![
            3 => Just([LeadBinding, Coupon, Click]),
            1 => Just([Coupon, Click, LeadBinding]),
            1 => Just([Click, LeadBinding, Coupon]),
        ]
    };
    let model = || select(values::<pb::AttributionModel>());
    let new_only = || prop::bool::weighted(0.3);
    let items = prop::collection::vec(item(), 3..=8);
    ((model(), model()), (orders(), orders()), (caps(), caps()), (new_only(), new_only()), items).prop_map(
        |(models, precedences, caps, new_customers_only, items)| History {
            models: models.into(),
            precedences: precedences.into(),
            caps: caps.into(),
            ladders: [None, None],
            new_customers_only: new_customers_only.into(),
            items,
        },
    )
}

/// Histories of programs of which some have ladders, and none has a cap with a tally.
pub(super) fn history_with_ladders() -> impl Strategy<Value = History> {
    let ladders = || option::weighted(0.6, ladder());
    (history(), ladders(), ladders()).prop_map(|(history, one, other)| History {
        caps: history
            .caps
            .map(|caps| caps.into_iter().filter(|cap| cap.scope() == pb::CapScope::SingleEvent).collect()),
        ladders: [one, other],
        ..history
    })
}

/// Ladders with low steps, because histories are short.
pub(super) fn ladder() -> impl Strategy<Value = pb::Ladder> {
    let step = |place: i64, is_amount: bool| {
        let minimum = if is_amount { 40 * place * place } else { place };
        let amount = pb::Money { amount_minor: minimum, currency_code: "USD".to_owned() };
        pb::LadderStep {
            min_sale_count: if is_amount { 0 } else { minimum },
            min_amount: is_amount.then_some(amount),
            commission: Some(pb::Commission {
                rate: Some(pb::commission::Rate::PercentPpm(300_000 + 110_000 * i32::try_from(place).unwrap())),
            }),
        }
    };
    (any::<bool>(), select(values::<pb::Period>()), 1..=4_i64).prop_map(move |(is_amount, period, count)| pb::Ladder {
        mode: pb::LadderMode::LevelUp.into(),
        period,
        steps: (1..=count).map(|place| step(place, is_amount)).collect(),
    })
}
