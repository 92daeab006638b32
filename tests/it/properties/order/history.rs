//! Random histories of two customers: what happens, in which order, and how late it is told.

use headwater::pb;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::properties::step::values;

pub(super) const AFFILIATES: usize = 3;
pub(super) const MINUTE_MICROS: i64 = 60_000_000;
/// The kind of custom events.
pub(super) const CUSTOM_KIND: &str = "talk";
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
    /// A correction of an earlier sale to so many fifths of its amount, but not below what was refunded.
    Correction {
        sale: usize,
        fifths: i64,
    },
    /// A part of an earlier sale: all that is left, or the amount divided by this number.
    Refund {
        sale: usize,
        divisor: i64,
    },
    /// A refund that is told as a total: so many fifths of the amount of an earlier sale.
    Total {
        sale: usize,
        fifths: i64,
    },
    /// An earlier refund or total that failed.
    Undo {
        refund: usize,
    },
    Cancellation {
        customer: usize,
    },
    /// An event of the kind that all programs declare.
    Custom {
        customer: usize,
        traces: Traces,
        is_named: bool,
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
    /// A commission of an enrollment's or a coupon's own for a time: the minutes until it starts, and those for which it lasts; 0 for ever.
    Dated {
        of: Dated,
        percent_ppm: Option<i32>,
        starts_in: i64,
        lasts: i64,
    },
    /// The first of an enrollment's or a coupon's commissions for a time that can be withdrawn.
    Withdraw {
        of: Dated,
    },
    /// A commission of a coupon's own, and the minutes for which it lasts; 0 for ever.
    CouponRate {
        code: usize,
        percent_ppm: i32,
        lasts: i64,
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

/// Who has commissions for a time.
#[derive(Debug, Clone, Copy)]
pub(super) enum Dated {
    Enrollment { affiliate: usize },
    Coupon { code: usize },
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

impl Item {
    /// Whether it is a correction. What a customer had bought before is judged by the present amounts of sales, so histories with corrections do not
    /// ask for new customers.
    pub(super) fn is_correction(&self) -> bool {
        matches!(self.what, What::Event(Event::Correction { .. }))
    }
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
    /// What else all versions of each program's terms have.
    pub(super) extras: [Extras; 2],
    /// Whether sales have lines.
    pub(super) has_lines: bool,
    /// Whether the books are checked after each event that is told late. The audit knows no threshold bonuses.
    pub(super) is_audited: bool,
    /// The kinds of custom events that all versions of all programs declare.
    pub(super) custom_kinds: Vec<String>,
    pub(super) items: Vec<Item>,
}

/// Parts of terms that most histories do not have.
#[derive(Debug, Clone, Default)]
pub(super) struct Extras {
    pub(super) rules: Vec<pb::CommissionRule>,
    pub(super) threshold_bonuses: Vec<pb::ThresholdBonus>,
    pub(super) upline_levels: Vec<pb::UplineLevel>,
}

pub(super) fn traces() -> impl Strategy<Value = Traces> {
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
    let dated = || {
        prop_oneof![
            (0..AFFILIATES).prop_map(|affiliate| Dated::Enrollment { affiliate }),
            (0..2_usize).prop_map(|code| Dated::Coupon { code }),
        ]
    };
    let (starts, lengths) = (|| select(vec![0_i64, 90, 1_500]), || select(vec![0_i64, 90, 6_000]));
    prop_oneof![
        3 => (dated(), option::weighted(0.8, select(vec![0, 250_000, 700_000])), starts(), lengths())
            .prop_map(|(of, percent_ppm, starts_in, lasts)| Owner::Dated { of, percent_ppm, starts_in, lasts }),
        1 => dated().prop_map(|of| Owner::Withdraw { of }),
        2 => (0..2_usize, percent(), lengths())
            .prop_map(|(code, percent_ppm, lasts)| Owner::CouponRate { code, percent_ppm, lasts }),
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

pub(super) fn item() -> impl Strategy<Value = Item> {
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
            extras: [Extras::default(), Extras::default()],
            has_lines: false,
            is_audited: true,
            custom_kinds: Vec::new(),
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

fn usd(amount_minor: i64) -> Option<pb::Money> {
    Some(pb::Money { amount_minor, currency_code: "USD".to_owned() })
}

fn rate(percent_ppm: i32) -> Option<pb::Commission> {
    Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(percent_ppm)) })
}

/// Caps of all scopes and periods, each once.
pub(super) fn any_caps() -> impl Strategy<Value = Vec<pb::Cap>> {
    use pb::CapScope::{Affiliate, Customer, Program};
    let cap =
        (select(vec![Affiliate, Customer, Program]), select(values::<pb::Period>()), select(vec![3_i64, 20, 150, 300]));
    let caps = prop::collection::vec(cap, 0..=3);
    (caps, option::weighted(0.1, select(vec![2_i64, 100]))).prop_map(|(drawn, of_event)| {
        let mut caps: Vec<pb::Cap> = Vec::new();
        for (scope, period, maximum) in drawn {
            if !caps.iter().any(|cap| (cap.scope, cap.period) == (scope.into(), period)) {
                caps.push(pb::Cap { scope: scope.into(), period, maximum: usd(maximum) });
            }
        }
        let scope = pb::CapScope::SingleEvent.into();
        caps.extend(of_event.map(|maximum| pb::Cap { scope, maximum: usd(maximum), ..Default::default() }));
        caps
    })
}

/// Ladders of all modes. A marginal one has amounts, because commissions are percentages.
pub(super) fn any_ladder() -> impl Strategy<Value = pb::Ladder> {
    (ladder(), select(values::<pb::LadderMode>())).prop_map(|(ladder, mode)| {
        let is_marginal = mode == i32::from(pb::LadderMode::Marginal);
        let steps = (1..).zip(ladder.steps).map(|(place, step)| match is_marginal {
            true => pb::LadderStep { min_sale_count: 0, min_amount: usd(40 * place * place), ..step },
            false => step,
        });
        pb::Ladder { mode, steps: steps.collect(), ..ladder }
    })
}

/// Rules for clicks, sign-ups and items, and for those who have sold enough; bonuses and uplines.
pub(super) fn extras() -> impl Strategy<Value = Extras> {
    use pb::{CommissionEvent, ConditionField};
    let flat =
        |amount_minor| Some(pb::Commission { rate: Some(pb::commission::Rate::Flat(usd(amount_minor).unwrap())) });
    let rule = |name: &str, event_kind: CommissionEvent, commission| pb::CommissionRule {
        name: name.to_owned(),
        event_kind: event_kind.into(),
        commission,
        ..Default::default()
    };
    let sold = (any::<bool>(), select(vec![1_i64, 2, 60])).prop_map(move |(is_amount, minimum)| {
        let field = if is_amount { ConditionField::AffiliateSalesAmount } else { ConditionField::AffiliateSaleCount };
        let condition = pb::Condition {
            field: field.into(),
            comparison: pb::Comparison::MoreOrEqual.into(),
            values: vec![minimum.to_string()],
            ..Default::default()
        };
        pb::CommissionRule { condition: Some(condition), ..rule("sold", CommissionEvent::Sale, rate(410_000)) }
    });
    let items =
        pb::CommissionRule { item_skus: vec!["MUG".to_owned()], ..rule("mugs", CommissionEvent::Sale, rate(130_000)) };
    let first = pb::CommissionRule { max_customer_sales: 1, ..rule("first", CommissionEvent::Sale, rate(290_000)) };
    let rules = (
        option::weighted(0.3, sold),
        option::weighted(0.2, Just(items)),
        option::weighted(0.2, Just(first)),
        option::weighted(0.3, Just(rule("clicks", CommissionEvent::Click, flat(2)))),
        option::weighted(0.2, Just(rule("leads", CommissionEvent::Lead, flat(11)))),
        option::weighted(0.2, Just(rule("talks", CommissionEvent::Appointment, flat(13)))),
    );
    let rules = rules.prop_map(|(sold, items, first, clicks, leads, talks)| {
        [sold, items, first, clicks, leads, talks].into_iter().flatten().collect::<Vec<_>>()
    });
    let bonus = (any::<bool>(), select(values::<pb::Period>()), 1..=3_i64);
    let bonuses = prop::collection::vec(bonus, 0..=2).prop_map(|drawn| {
        let bonus = |(place, (is_amount, period, minimum)): (i64, (bool, i32, i64))| pb::ThresholdBonus {
            name: format!("bonus {place}"),
            period,
            min_sale_count: if is_amount { 0 } else { minimum },
            min_amount: usd(40 * minimum).filter(|_| is_amount),
            bonus: Some(pb::RewardValue { amount: usd(1_000 + place).map(pb::reward_value::Amount::Cash) }),
        };
        (0..).zip(drawn).map(bonus).collect::<Vec<_>>()
    });
    let level = option::weighted(0.3, select(values::<pb::UplineBasis>()));
    let levels =
        level.prop_map(|basis| basis.into_iter().map(|basis| pb::UplineLevel { basis, percent_ppm: 90_000 }).collect());
    (rules, bonuses, levels).prop_map(|(rules, threshold_bonuses, upline_levels)| Extras {
        rules,
        threshold_bonuses,
        upline_levels,
    })
}

fn item_with_corrections() -> impl Strategy<Value = Item> {
    let correction =
        (0..4_usize, select(vec![0_i64, 2, 4, 7])).prop_map(|(sale, fifths)| Event::Correction { sale, fifths });
    (item(), option::weighted(0.1, correction)).prop_map(|(item, correction)| match correction {
        Some(correction) => Item { what: What::Event(correction), ..item },
        None => item,
    })
}

/// Histories under terms of all kinds, in which sales of many customers share tallies.
pub(super) fn history_with_tallies() -> impl Strategy<Value = History> {
    let ladders = || option::weighted(0.5, any_ladder());
    let parts = || (any_caps(), ladders(), extras());
    let items = prop::collection::vec(item_with_corrections(), 3..=9);
    (history(), parts(), parts(), any::<bool>(), items).prop_map(|(history, one, other, has_lines, items)| {
        let [one, other] = [one, other].map(|(caps, ladder, extras)| (fitting(caps, ladder.as_ref()), ladder, extras));
        let is_corrected = items.iter().any(Item::is_correction);
        History {
            new_customers_only: history.new_customers_only.map(|new_only| new_only && !is_corrected),
            caps: [one.0, other.0],
            ladders: [one.1, other.1],
            extras: [one.2, other.2],
            has_lines,
            is_audited: false,
            items,
            ..history
        }
    })
}

/// The caps that terms with a ladder may have.
pub(super) fn fitting(caps: Vec<pb::Cap>, ladder: Option<&pb::Ladder>) -> Vec<pb::Cap> {
    match ladder.map(pb::Ladder::mode) {
        Some(pb::LadderMode::Retroactive | pb::LadderMode::Marginal) => Vec::new(),
        _ => caps,
    }
}
