//! AffiliateService: names the handler of each method.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::{Rpc, affiliate, coupon, enrollment, link, program};
use crate::pb;
use crate::pb::server::affiliate_service_server::AffiliateService;

/// Programs, affiliates, enrollments, links and coupons.
pub(super) struct AffiliateHandlers(pub(super) Arc<Rpc>);

#[tonic::async_trait]
impl AffiliateService for AffiliateHandlers {
    async fn create_program(
        &self,
        request: Request<pb::CreateProgramRequest>,
    ) -> Result<Response<pb::CreateProgramResponse>, Status> {
        self.0.write(request, program::create).await
    }

    async fn get_program(
        &self,
        request: Request<pb::GetProgramRequest>,
    ) -> Result<Response<pb::GetProgramResponse>, Status> {
        self.0.read(request, program::get).await
    }

    async fn list_programs(
        &self,
        request: Request<pb::ListProgramsRequest>,
    ) -> Result<Response<pb::ListProgramsResponse>, Status> {
        self.0.read(request, program::list).await
    }

    async fn update_program(
        &self,
        request: Request<pb::UpdateProgramRequest>,
    ) -> Result<Response<pb::UpdateProgramResponse>, Status> {
        self.0.write(request, program::update).await
    }

    async fn archive_program(
        &self,
        request: Request<pb::ArchiveProgramRequest>,
    ) -> Result<Response<pb::ArchiveProgramResponse>, Status> {
        self.0.write(request, program::archive).await
    }

    async fn create_affiliate(
        &self,
        request: Request<pb::CreateAffiliateRequest>,
    ) -> Result<Response<pb::CreateAffiliateResponse>, Status> {
        self.0.write(request, affiliate::create).await
    }

    async fn get_affiliate(
        &self,
        request: Request<pb::GetAffiliateRequest>,
    ) -> Result<Response<pb::GetAffiliateResponse>, Status> {
        self.0.read(request, affiliate::get).await
    }

    async fn list_affiliates(
        &self,
        request: Request<pb::ListAffiliatesRequest>,
    ) -> Result<Response<pb::ListAffiliatesResponse>, Status> {
        self.0.read(request, affiliate::list).await
    }

    async fn enroll(&self, request: Request<pb::EnrollRequest>) -> Result<Response<pb::EnrollResponse>, Status> {
        self.0.write(request, enrollment::enroll).await
    }

    async fn list_enrollments(
        &self,
        request: Request<pb::ListEnrollmentsRequest>,
    ) -> Result<Response<pb::ListEnrollmentsResponse>, Status> {
        self.0.read(request, enrollment::list).await
    }

    async fn update_enrollment(
        &self,
        request: Request<pb::UpdateEnrollmentRequest>,
    ) -> Result<Response<pb::UpdateEnrollmentResponse>, Status> {
        self.0.write(request, enrollment::update).await
    }

    async fn end_enrollment(
        &self,
        request: Request<pb::EndEnrollmentRequest>,
    ) -> Result<Response<pb::EndEnrollmentResponse>, Status> {
        self.0.write(request, enrollment::end).await
    }

    async fn create_link(
        &self,
        request: Request<pb::CreateLinkRequest>,
    ) -> Result<Response<pb::CreateLinkResponse>, Status> {
        self.0.write(request, link::create).await
    }

    async fn list_links(
        &self,
        request: Request<pb::ListLinksRequest>,
    ) -> Result<Response<pb::ListLinksResponse>, Status> {
        self.0.read(request, link::list).await
    }

    async fn revoke_link(
        &self,
        request: Request<pb::RevokeLinkRequest>,
    ) -> Result<Response<pb::RevokeLinkResponse>, Status> {
        self.0.write(request, link::revoke).await
    }

    async fn assign_coupon(
        &self,
        request: Request<pb::AssignCouponRequest>,
    ) -> Result<Response<pb::AssignCouponResponse>, Status> {
        self.0.write(request, coupon::assign).await
    }

    async fn list_coupons(
        &self,
        request: Request<pb::ListCouponsRequest>,
    ) -> Result<Response<pb::ListCouponsResponse>, Status> {
        self.0.read(request, coupon::list).await
    }

    async fn remove_coupon(
        &self,
        request: Request<pb::RemoveCouponRequest>,
    ) -> Result<Response<pb::RemoveCouponResponse>, Status> {
        self.0.write(request, coupon::remove).await
    }
}
