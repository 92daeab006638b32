//! The messages that change something, by the names of their methods.

use std::fmt::Debug;

use headwater::pb;
use headwater::rpc::call::change::{Change, Method};

use crate::api::{methods, name_of};

/// Something to do with a message of any type that changes something.
pub(super) trait Visitor {
    type Output;

    fn visit<M: Change + PartialEq + Debug>(self, bytes: &[u8]) -> Self::Output;
}

macro_rules! changes {
    ($($message:ident,)*) => {
        /// Visits the message of a method with these bytes. `None` if the method changes nothing.
        pub(super) fn visit<V: Visitor>(method: &str, bytes: &[u8], visitor: V) -> Option<V::Output> {
            match method {
                $(<pb::$message as Method>::NAME => Some(visitor.visit::<pb::$message>(bytes)),)*
                _ => None,
            }
        }

        /// The names of these methods.
        pub const CHANGES: &[&str] = &[$(<pb::$message as Method>::NAME),*];
    };
}

changes! {
    RegisterAccountRequest,
    UpdateAccountRequest,
    CreateApiKeyRequest,
    CreateAdminApiKeyRequest,
    VerifyAccountEmailRequest,
    SuspendAccountRequest,
    ResumeAccountRequest,
    SetAccountCallLimitRequest,
    UpdateApiKeyRequest,
    RevokeApiKeyRequest,
    CreateProgramRequest,
    UpdateProgramRequest,
    ArchiveProgramRequest,
    CreateItemRequest,
    UpdateItemRequest,
    ArchiveItemRequest,
    CreateAffiliateRequest,
    UpdateAffiliateRequest,
    ApproveAffiliateRequest,
    RejectAffiliateRequest,
    DeactivateAffiliateRequest,
    RotateAffiliateTokenRequest,
    EraseAffiliateRequest,
    SetUplineRequest,
    CreateAffiliateGroupRequest,
    UpdateAffiliateGroupRequest,
    ArchiveAffiliateGroupRequest,
    EnrollAffiliateRequest,
    UpdateEnrollmentRequest,
    EndEnrollmentRequest,
    MoveEnrollmentRequest,
    AcceptAgreementRequest,
    CreateLinkRequest,
    UpdateLinkRequest,
    RevokeLinkRequest,
    AssignCouponRequest,
    UpdateCouponRequest,
    RemoveCouponRequest,
    CreateOfferRequest,
    UpdateOfferRequest,
    ClaimOfferRequest,
    ArchiveOfferRequest,
    CreateBountyRequest,
    UpdateBountyRequest,
    ArchiveBountyRequest,
    NameContestWinnersRequest,
    SubmitToBountyRequest,
    ApproveSubmissionRequest,
    RejectSubmissionRequest,
    RecordClickRequest,
    RecordLeadRequest,
    RecordSaleRequest,
    RecordRefundRequest,
    UndoRefundRequest,
    RecordCancellationRequest,
    RecordAppointmentRequest,
    RecordCustomEventRequest,
    CorrectSaleRequest,
    OpenDisputeRequest,
    ResolveDisputeRequest,
    CreateLeadRequest,
    UpdateLeadRequest,
    DeleteLeadRequest,
    MergeLeadsRequest,
    AttributeLeadRequest,
    FulfillCustomerRewardRequest,
    ApproveRewardsRequest,
    DenyRewardsRequest,
    ReleaseRewardsRequest,
    CreateRewardRequest,
    FulfillRewardRequest,
    SetPayoutMethodRequest,
    RemovePayoutMethodRequest,
    SetTaxProfileRequest,
    ConfirmTaxProfileRequest,
    RefuseTaxProfileRequest,
    RemoveTaxProfileRequest,
    SetBillingProfileRequest,
    SetPayoutConnectionRequest,
    RemovePayoutConnectionRequest,
    ReconcilePayoutsRequest,
    CreatePayoutRequest,
    CreatePayoutRunRequest,
    CreatePayoutScheduleRequest,
    UpdatePayoutScheduleRequest,
    ArchivePayoutScheduleRequest,
    ApprovePayoutsRequest,
    ConfirmPayoutsRequest,
    CancelPayoutRequest,
    RetryPayoutRequest,
    NotifyFundsAddedRequest,
    ExportPayoutFileRequest,
    ImportPayoutResultsRequest,
    ReopenPayoutRequest,
    CancelPayoutRunRequest,
    MarkPaidRequest,
}

/// Methods whose answer says whether it is a repeat, and which have a rule therefore, that the list above lacks.
pub fn rules_without_target() -> Vec<String> {
    let changing = methods().iter().filter(|method| method.output().get_field_by_name("replayed").is_some());
    changing.map(name_of).filter(|name| !CHANGES.contains(&name.as_str())).collect()
}
