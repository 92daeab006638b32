//! AffiliateService.

use std::sync::Arc;

use crate::auth::permission::{ADMINISTRATION, READING, READING_MONEY};
use crate::rpc::call::service::service;
use crate::rpc::call::{Rpc, change};
use crate::rpc::{affiliate, coupon, enrollment, link, program};

/// Programs, affiliates, enrollments, links and coupons.
pub(in crate::rpc) struct AffiliateHandlers {
    pub(in crate::rpc) rpc: Arc<Rpc>,
}

service! {
    "headwater.v1" AffiliateService(affiliate_service_server) for AffiliateHandlers {
        CreateProgram = write change, ADMINISTRATION;
        GetProgram = read program::get, READING;
        ListPrograms = read program::list, READING;
        UpdateProgram = write change, ADMINISTRATION;
        ArchiveProgram = write change, ADMINISTRATION;
        CreateAffiliate = write change, ADMINISTRATION;
        GetAffiliate = read affiliate::get, READING_MONEY;
        ListAffiliates = read affiliate::list, READING_MONEY;
        Enroll = write enrollment::enroll, ADMINISTRATION;
        ListEnrollments = read enrollment::list, READING;
        UpdateEnrollment = write change, ADMINISTRATION;
        EndEnrollment = write change, ADMINISTRATION;
        CreateLink = write change, ADMINISTRATION;
        ListLinks = read link::list, READING;
        RevokeLink = write change, ADMINISTRATION;
        AssignCoupon = write change, ADMINISTRATION;
        ListCoupons = read coupon::list, READING;
        RemoveCoupon = write change, ADMINISTRATION;
    }
}
