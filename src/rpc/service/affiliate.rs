//! AffiliateService.

use std::sync::Arc;

use crate::auth::permission::{ADMINISTRATION, READING, READING_MONEY};
use crate::rpc;
use crate::rpc::call::service::service;
use crate::rpc::call::{Rpc, change};

/// Programs, items, affiliates, enrollments, links, coupons, offers, bounties and submissions.
pub(in crate::rpc) struct AffiliateHandlers {
    pub(in crate::rpc) rpc: Arc<Rpc>,
}

service! {
    "headwater.v1" AffiliateService(affiliate_service_server) for AffiliateHandlers {
        CreateProgram = write change, ADMINISTRATION;
        GetProgram = read rpc::program::get, READING;
        ListPrograms = read rpc::program::list, READING;
        UpdateProgram = write change, ADMINISTRATION;
        ArchiveProgram = write change, ADMINISTRATION;
        CreateItem = write change, ADMINISTRATION;
        GetItem = read rpc::item::get, READING;
        ListItems = read rpc::item::list, READING;
        UpdateItem = write change, ADMINISTRATION;
        ArchiveItem = write change, ADMINISTRATION;
        CreateAffiliate = write rpc::affiliate::create, ADMINISTRATION;
        GetAffiliate = read rpc::affiliate::get, READING_MONEY;
        ListAffiliates = read rpc::affiliate::list, READING_MONEY;
        SearchAffiliates = read rpc::affiliate::search, READING_MONEY;
        CountAffiliates = read rpc::affiliate::count, READING_MONEY;
        UpdateAffiliate = write rpc::affiliate::update, ADMINISTRATION;
        ApproveAffiliate = write change, ADMINISTRATION;
        RejectAffiliate = write change, ADMINISTRATION;
        DeactivateAffiliate = write rpc::affiliate::deactivate, ADMINISTRATION;
        RotateAffiliateToken = write change, ADMINISTRATION;
        CheckAffiliatePassword = write rpc::affiliate::check_password, ADMINISTRATION;
        EraseAffiliate = write rpc::affiliate::erase, ADMINISTRATION;
        SetUpline = write change, ADMINISTRATION;
        CreateAffiliateGroup = write change, ADMINISTRATION;
        GetAffiliateGroup = read rpc::affiliate_group::get, READING;
        ListAffiliateGroups = read rpc::affiliate_group::list, READING;
        UpdateAffiliateGroup = write change, ADMINISTRATION;
        ArchiveAffiliateGroup = write change, ADMINISTRATION;
        BatchChangeAffiliates = write rpc::affiliate::change_many, ADMINISTRATION;
        EnrollAffiliate = write rpc::enrollment::enroll, ADMINISTRATION;
        GetEnrollment = read rpc::enrollment::get, READING;
        ListEnrollments = read rpc::enrollment::list, READING;
        UpdateEnrollment = write change, ADMINISTRATION;
        EndEnrollment = write change, ADMINISTRATION;
        MoveEnrollment = write rpc::enrollment::move_on, ADMINISTRATION;
        AcceptAgreement = write change, ADMINISTRATION;
        CreateLink = write change, ADMINISTRATION;
        GetLink = read rpc::link::get, READING;
        ListLinks = read rpc::link::list, READING;
        UpdateLink = write change, ADMINISTRATION;
        RevokeLink = write change, ADMINISTRATION;
        AssignCoupon = write change, ADMINISTRATION;
        GetCoupon = read rpc::coupon::get, READING;
        ListCoupons = read rpc::coupon::list, READING;
        UpdateCoupon = write change, ADMINISTRATION;
        ValidateCoupon = read rpc::coupon::validate, READING;
        RemoveCoupon = write change, ADMINISTRATION;
        CreateOffer = write change, ADMINISTRATION;
        GetOffer = read rpc::offer::get, READING;
        ListOffers = read rpc::offer::list, READING;
        UpdateOffer = write change, ADMINISTRATION;
        ClaimOffer = write change, ADMINISTRATION;
        ArchiveOffer = write change, ADMINISTRATION;
        CreateBounty = write change, ADMINISTRATION;
        GetBounty = read rpc::bounty::get, READING;
        ListBounties = read rpc::bounty::list, READING;
        UpdateBounty = write change, ADMINISTRATION;
        ArchiveBounty = write change, ADMINISTRATION;
        NameContestWinners = write change, ADMINISTRATION;
        SubmitToBounty = write change, ADMINISTRATION;
        GetSubmission = read rpc::submission::get, READING;
        ListSubmissions = read rpc::submission::list, READING;
        ApproveSubmission = write change, ADMINISTRATION;
        RejectSubmission = write change, ADMINISTRATION;
    }
}
