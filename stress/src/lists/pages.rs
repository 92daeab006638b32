//! The lists that are measured, and how one page of each is asked for. Knows neither the history nor the figures.

use headwater_client::pb;
use testkit::client::Client;

use crate::shop::{self, Shop};

/// A list by affiliate or by lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    /// ListConversions by affiliate.
    Conversions,
    /// ListRewards by affiliate.
    Rewards,
    /// ListLedgerEntries by affiliate.
    Entries,
    /// ListConversions by lead.
    ConversionsOfLead,
}

impl List {
    pub(super) const ALL: [Self; 4] = [Self::Conversions, Self::Rewards, Self::Entries, Self::ConversionsOfLead];

    /// Its name in reports.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Conversions => "ListConversions by affiliate",
            Self::Rewards => "ListRewards by affiliate",
            Self::Entries => "ListLedgerEntries by affiliate",
            Self::ConversionsOfLead => "ListConversions by lead",
        }
    }

    /// Whether it can be filtered by kind or state.
    pub(super) fn has_filter(self) -> bool {
        match self {
            Self::Conversions | Self::Rewards | Self::ConversionsOfLead => true,
            Self::Entries => false,
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Ask {
    /// The number of rows; the server's default if 0.
    pub(super) page_size: i32,
    /// Where the page begins.
    pub(super) page_token: String,
    pub(super) is_newest_first: bool,
    /// Whether only approved rewards, or only refunds, are asked for.
    pub(super) is_filtered: bool,
}

/// A page.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// What names each row: the id, or the sequence of an entry.
    pub(super) ids: Vec<String>,
    /// Those rewards that can be approved.
    pub(super) approvable: Vec<String>,
    /// The token of the next page.
    pub(super) next: String,
}

impl List {
    /// Asks for a page of the list of the affiliate or lead with this number.
    pub(super) async fn page(self, client: &mut Client, shop: &Shop, number: usize, ask: &Ask) -> anyhow::Result<Page> {
        match self {
            Self::Conversions => conversions(client, ask, affiliate(shop, number), None).await,
            Self::ConversionsOfLead => conversions(client, ask, None, lead(number)).await,
            Self::Rewards => rewards(client, ask, affiliate(shop, number)).await,
            Self::Entries => entries(client, ask, affiliate(shop, number)).await,
        }
    }
}

fn affiliate(shop: &Shop, number: usize) -> Option<pb::AffiliateSelector> {
    let id = shop.affiliate_ids.get(number).cloned().unwrap_or_default();
    Some(pb::AffiliateSelector { selector: Some(pb::affiliate_selector::Selector::Id(id)) })
}

fn lead(number: usize) -> Option<pb::LeadSelector> {
    let email = shop::email_of(number as u64);
    Some(pb::LeadSelector { selector: Some(pb::lead_selector::Selector::Email(email)) })
}

impl Ask {
    fn order(&self) -> i32 {
        let order = if self.is_newest_first { pb::ListOrder::NewestFirst } else { pb::ListOrder::OldestFirst };
        order.into()
    }
}

async fn conversions(
    client: &mut Client,
    ask: &Ask,
    affiliate: Option<pb::AffiliateSelector>,
    lead: Option<pb::LeadSelector>,
) -> anyhow::Result<Page> {
    let request = pb::ListConversionsRequest {
        page_size: ask.page_size,
        page_token: ask.page_token.clone(),
        order: ask.order(),
        kinds: if ask.is_filtered { vec![pb::ConversionKind::Refund.into()] } else { Vec::new() },
        affiliate,
        lead,
        ..pb::ListConversionsRequest::default()
    };
    let answer = client.tracking.list_conversions(request).await?.into_inner();
    let ids = answer.conversions.into_iter().map(|conversion| conversion.id).collect();
    Ok(Page { ids, next: answer.next_page_token, ..Page::default() })
}

async fn rewards(client: &mut Client, ask: &Ask, affiliate: Option<pb::AffiliateSelector>) -> anyhow::Result<Page> {
    let request = pb::ListRewardsRequest {
        page_size: ask.page_size,
        page_token: ask.page_token.clone(),
        order: ask.order(),
        states: if ask.is_filtered { vec![pb::RewardState::Approved.into()] } else { Vec::new() },
        affiliate,
        ..pb::ListRewardsRequest::default()
    };
    let answer = client.rewards.list_rewards(request).await?.into_inner();
    let is_approvable =
        |reward: &&pb::Reward| reward.reverses_reward_id.is_empty() && reward.state() == pb::RewardState::Pending;
    let approvable = answer.rewards.iter().filter(is_approvable).map(|reward| reward.id.clone()).collect();
    let ids = answer.rewards.into_iter().map(|reward| reward.id).collect();
    Ok(Page { ids, approvable, next: answer.next_page_token })
}

async fn entries(client: &mut Client, ask: &Ask, affiliate: Option<pb::AffiliateSelector>) -> anyhow::Result<Page> {
    let request = pb::ListLedgerEntriesRequest {
        page_size: ask.page_size,
        page_token: ask.page_token.clone(),
        order: ask.order(),
        affiliate,
    };
    let answer = client.rewards.list_ledger_entries(request).await?.into_inner();
    let ids = answer.entries.into_iter().map(|entry| format!("{:020}", entry.sequence)).collect();
    Ok(Page { ids, next: answer.next_page_token, ..Page::default() })
}
