//! The data of the day that the demo plays: a roastery with an online shop and a café in Hamburg, a store in Kyoto, and a
//! subscription service for cafés. Prices, currencies and mishaps are typical of such merchants. Has no code.

/// A program of the merchant.
pub(super) struct ProgramLine {
    pub(super) name: &'static str,
    pub(super) currency: &'static str,
    pub(super) landing_url: &'static str,
    /// Parts per million.
    pub(super) percent_ppm: i32,
    pub(super) hold_period_days: i32,
}

pub(super) const PROGRAMS: [ProgramLine; 3] = [
    ProgramLine {
        name: "Harbour Coffee shop",
        currency: "EUR",
        landing_url: "https://harbour-coffee.example/",
        percent_ppm: 100_000,
        hold_period_days: 30,
    },
    ProgramLine {
        name: "Harbour Kyoto",
        currency: "JPY",
        landing_url: "https://kyoto.harbour-coffee.example/",
        percent_ppm: 80_000,
        hold_period_days: 14,
    },
    ProgramLine {
        name: "Cafeboard, the till for cafés",
        currency: "USD",
        landing_url: "https://cafeboard.example/pricing",
        percent_ppm: 250_000,
        hold_period_days: 45,
    },
];

/// The affiliates: name, email, ref_id, coupon code, and the index of the program in [`PROGRAMS`].
pub(super) const AFFILIATES: [(&str, &str, &str, &str, usize); 4] = [
    ("Lena", "lena@filterblog.example", "lena", "LENA10", 0),
    ("Kenji", "kenji@kissaten.example", "kenji", "KENJI8", 1),
    ("Priya", "priya@cafe-owners.example", "priya", "PRIYA", 2),
    ("Marco", "marco@espresso-tube.example", "marco", "MARCO5", 0),
];

/// An event of the day.
pub(super) enum Happening {
    /// A visitor follows an affiliate's link.
    Click { visitor: &'static str, ref_id: &'static str },
    /// A visitor leaves an address.
    Lead { event: &'static str, email: &'static str, visitor: &'static str },
    /// Somebody buys.
    Sale(SaleLine),
    /// Money goes back.
    Refund { event: &'static str, sale: &'static str, amount_minor: i64, currency: &'static str },
    /// A subscription ends.
    Cancellation { event: &'static str, email: &'static str },
    /// The owner approves the reward of a sale ahead of time.
    Approve { sale: &'static str },
    /// The owner denies the reward of a sale.
    Deny { sale: &'static str, reason: &'static str },
}

/// A sale. Missing texts are empty.
#[derive(Default, Clone, Copy)]
pub(super) struct SaleLine {
    pub(super) event: &'static str,
    pub(super) email: &'static str,
    pub(super) visitor: &'static str,
    pub(super) coupon: &'static str,
    pub(super) amount_minor: i64,
    pub(super) currency: &'static str,
    pub(super) plan: &'static str,
    pub(super) at_till: bool,
}

const NOBODY: SaleLine = SaleLine {
    event: "",
    email: "",
    visitor: "",
    coupon: "",
    amount_minor: 0,
    currency: "EUR",
    plan: "",
    at_till: false,
};

/// The day in order: the time of day, its narration, and the event.
pub(super) const DAY: &[(&str, &str, Happening)] = &[
    ("07:12", "a reader of Lena's blog follows her link", Happening::Click { visitor: "anna", ref_id: "lena" }),
    ("07:13", "Marco's video brings a visitor", Happening::Click { visitor: "jonas", ref_id: "marco" }),
    (
        "07:31",
        "she orders two bags of beans",
        Happening::Sale(SaleLine {
            event: "ch_8001",
            email: "anna@example.net",
            visitor: "anna",
            amount_minor: 2_790,
            ..NOBODY
        }),
    ),
    (
        "08:02",
        "a regular whom nobody referred orders",
        Happening::Sale(SaleLine { event: "ch_8002", email: "regular@example.net", amount_minor: 1_450, ..NOBODY }),
    ),
    (
        "08:15",
        "a till slip in the café with Lena's code, no customer named",
        Happening::Sale(SaleLine { event: "till_0415", coupon: "LENA10", amount_minor: 890, at_till: true, ..NOBODY }),
    ),
    (
        "08:20",
        "the till was offline and sends the slip again",
        Happening::Sale(SaleLine { event: "till_0415", coupon: "LENA10", amount_minor: 890, at_till: true, ..NOBODY }),
    ),
    (
        "09:05",
        "Marco's visitor buys a grinder",
        Happening::Sale(SaleLine {
            event: "ch_8003",
            email: "jonas@example.net",
            visitor: "jonas",
            amount_minor: 18_900,
            ..NOBODY
        }),
    ),
    ("09:40", "Kenji's readers find the Kyoto store", Happening::Click { visitor: "yuki", ref_id: "kenji" }),
    (
        "09:52",
        "matcha set",
        Happening::Sale(SaleLine {
            event: "ch_8004",
            email: "yuki@example.jp",
            visitor: "yuki",
            amount_minor: 6_480,
            currency: "JPY",
            ..NOBODY
        }),
    ),
    ("10:10", "a café owner follows Priya's link", Happening::Click { visitor: "otto", ref_id: "priya" }),
    (
        "10:14",
        "and signs up for a trial",
        Happening::Lead { event: "su_310", email: "otto@cafe-otto.example", visitor: "otto" },
    ),
    (
        "10:58",
        "the trial becomes the Team plan",
        Happening::Sale(SaleLine {
            event: "in_9001",
            email: "otto@cafe-otto.example",
            amount_minor: 4_900,
            currency: "USD",
            plan: "team",
            ..NOBODY
        }),
    ),
    (
        "11:30",
        "one of the two bags comes back",
        Happening::Refund { event: "re_1", sale: "ch_8001", amount_minor: 1_395, currency: "EUR" },
    ),
    (
        "12:04",
        "a refund overtakes its own sale in the queue",
        Happening::Refund { event: "re_2", sale: "ch_8005", amount_minor: 500, currency: "EUR" },
    ),
    (
        "12:05",
        "the sale arrives and the refund is booked against it",
        Happening::Sale(SaleLine {
            event: "ch_8005",
            email: "mia@example.net",
            coupon: "MARCO5",
            amount_minor: 4_200,
            ..NOBODY
        }),
    ),
    (
        "13:22",
        "Kenji's code at the Kyoto till",
        Happening::Sale(SaleLine {
            event: "till_2201",
            coupon: "KENJI8",
            amount_minor: 1_155,
            currency: "JPY",
            at_till: true,
            ..NOBODY
        }),
    ),
    (
        "14:00",
        "a code that nobody has",
        Happening::Sale(SaleLine {
            event: "ch_8006",
            email: "zoe@example.net",
            coupon: "SUMMER99",
            amount_minor: 3_300,
            ..NOBODY
        }),
    ),
    (
        "14:45",
        "Priya sells a yearly plan by her code",
        Happening::Sale(SaleLine {
            event: "in_9002",
            email: "bistro@example.org",
            coupon: "PRIYA",
            amount_minor: 49_000,
            currency: "USD",
            plan: "team-yearly",
            ..NOBODY
        }),
    ),
    (
        "15:20",
        "otto adds a second café",
        Happening::Sale(SaleLine {
            event: "in_9003",
            email: "otto@cafe-otto.example",
            amount_minor: 4_900,
            currency: "USD",
            plan: "team",
            ..NOBODY
        }),
    ),
    (
        "16:02",
        "the grinder was Marco's own order: denied",
        Happening::Deny { sale: "ch_8003", reason: "The order was placed by the affiliate himself." },
    ),
    ("16:30", "the owner approves Lena's sale ahead of time", Happening::Approve { sale: "ch_8001" }),
    (
        "17:11",
        "the second bag comes back too, after the approval",
        Happening::Refund { event: "re_3", sale: "ch_8001", amount_minor: 1_395, currency: "EUR" },
    ),
    (
        "18:40",
        "the second café is cancelled",
        Happening::Cancellation { event: "cx_1", email: "otto@cafe-otto.example" },
    ),
    (
        "19:05",
        "anna comes back and is still Lena's customer",
        Happening::Sale(SaleLine { event: "ch_8007", email: "anna@example.net", amount_minor: 3_150, ..NOBODY }),
    ),
    (
        "21:17",
        "late order in Kyoto",
        Happening::Sale(SaleLine {
            event: "ch_8008",
            email: "yuki@example.jp",
            amount_minor: 3_240,
            currency: "JPY",
            ..NOBODY
        }),
    ),
];

/// The balances expected in the evening: the affiliate's index in [`AFFILIATES`], currency, pending, owed. They were worked out
/// by hand from the day above, so that the demo checks the server and does not repeat it.
pub(super) const EVENING: [(usize, &str, i64, i64); 4] = [
    // Lena: 2.79 - 1.40 - 1.39 = 0 approved and reversed; 0.89 at the till; 3.15 for the late order.
    (0, "EUR", 404, 0),
    // Kenji: 518.4 -> 518; 92.4 -> 92; 259.2 -> 259.
    (1, "JPY", 869, 0),
    // Priya: 12.25 + 122.50 + 12.25.
    (2, "USD", 14_700, 0),
    // Marco: 18.90 denied; 4.20 - 0.50.
    (3, "EUR", 370, 0),
];
