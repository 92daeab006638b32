//! One call: the caller, the call's resources, and how it is parsed, carried out and answered. Knows no subject.

pub(in crate::rpc) mod canonical;
pub mod change;
pub mod codec;
pub(in crate::rpc) mod page;
pub(in crate::rpc) mod parse;
pub(in crate::rpc) mod render;
pub(in crate::rpc) mod selector;
pub(in crate::rpc) mod service;
pub(in crate::rpc) mod wire_enum;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::auth::layer::Caller;
use crate::auth::password::Passwords;
use crate::auth::{Authenticator, Principal};
use crate::clock;
use crate::deadline::Deadline;
use crate::domain::audit::Actor;
use crate::domain::id::AccountId;
use crate::domain::rule::{Envelope, Rule};
use crate::domain::time::Time;
use crate::error::{CallName, Error, FieldPaths};
use crate::limit::AnswerBytes;
use crate::secrets::Secrets;
use crate::store::Store;
use crate::transport::stream::Stream;
use change::{Asking, Change};

/// The largest request of a read. One with 1,000 ids in each of its filters has less.
const READ_BYTES_MAX: usize = 256 << 10;

/// How many reads of an account may wait for their turn. More would only wait longer, and each may become a large answer.
const READS_WAITING_MAX: usize = 256;

/// How long the caller of a refused read should wait before a retry.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// A call that works on so many rows, events or items is not heavy.
const LIGHT_COUNT_MAX: u64 = 100;

/// The maximum size of an answer: the default limit of clients.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// Who registers accounts, besides operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegisteredBy {
    /// Nobody.
    Nobody,
    /// Who has an invitation.
    Invited,
    /// Everybody. The owner of an account may therefore be a stranger.
    Everybody,
}

/// The dependencies of every handler.
pub(in crate::rpc) struct Rpc {
    pub(in crate::rpc) app: Arc<App>,
    pub(in crate::rpc) authenticator: Arc<Authenticator>,
    pub(in crate::rpc) passwords: Passwords,
    pub(in crate::rpc) secrets: Arc<Secrets>,
    pub(in crate::rpc) registration: RegisteredBy,
    pub(in crate::rpc) request_timeout: Duration,
    pub(in crate::rpc) message_bytes_max: u32,
    /// Whether the server listens for callbacks of payout providers.
    pub(in crate::rpc) takes_callbacks: bool,
}

impl Rpc {
    /// A call of a known caller, over any transport. Its deadline is the caller's or the server's own, whichever is earlier.
    pub(in crate::rpc) fn call(
        self: &Arc<Self>,
        principal: Principal,
        name: CallName,
        sent_deadline: Option<Deadline>,
    ) -> Call {
        let limit = clock::monotonic_now() + self.request_timeout;
        let deadline = sent_deadline.map_or(limit, |sent| sent.handler_end().min(limit));
        Call { rpc: Arc::clone(self), principal, name, deadline, sent_deadline, stream: None }
    }

    /// The call of a gRPC request.
    pub(in crate::rpc) fn call_of<T>(self: &Arc<Self>, request: &mut Request<T>) -> Result<Call, Status> {
        let caller = request.extensions_mut().remove::<Caller>().ok_or_else(|| {
            Error::Internal("a call came past the layer that finds out who calls".to_owned())
                .into_status(&CallName::default())
        })?;
        let stream = request.extensions_mut().remove::<Arc<Stream>>();
        Ok(Call { stream, ..self.call(caller.principal, caller.call, caller.deadline) })
    }

    /// Answers a call that runs to its end once it has begun. A write is such a call, because it must not be cut in the middle.
    /// The audit of the ledger is one too, because it may take longer than a read is allowed to take. A write past its deadline
    /// is dropped only if it has not begun.
    pub(in crate::rpc) async fn write<Q, A, F>(
        self: &Arc<Self>,
        mut request: Request<Q>,
        handle: impl FnOnce(Call, Q) -> F,
    ) -> Result<Response<A>, Status>
    where
        F: Future<Output = Result<A, Error>>,
        A: Message,
    {
        let call = self.call_of(&mut request)?;
        let name = call.name.clone();
        let answer = handle(call, request.into_inner()).await;
        answer.map(response).map_err(|error| error.into_status(&name))
    }

    /// Answers a read once its account has its turn. A read is dropped at its deadline, also while it waits.
    pub(in crate::rpc) async fn read<Q, A, F>(
        self: &Arc<Self>,
        mut request: Request<Q>,
        handle: impl FnOnce(Call, Q) -> F,
    ) -> Result<Response<A>, Status>
    where
        F: Future<Output = Result<A, Error>>,
        Q: Message,
        A: Message,
    {
        let call = self.call_of(&mut request)?;
        let name = call.name.clone();
        let deadline = call.deadline;
        // It waits for its turn with all that it has.
        if request.get_ref().encoded_len() > READ_BYTES_MAX {
            return Err(Error::MessageTooLarge.into_status(&name));
        }
        if self.app.store().reads_waiting(call.account_id()) >= READS_WAITING_MAX {
            return Err(Error::Overloaded { retry_after: RETRY_AFTER }.into_status(&name));
        }
        call.weight().reads();
        let answer = async {
            let _turn = self.app.store().read_turn(call.account_id()).await;
            handle(call, request.into_inner()).await
        };
        let answer = match tokio::time::timeout_at(deadline, answer).await {
            // No answer should be this large: lists are cut by bytes, and no other answer grows.
            Ok(Ok(answer)) if answer.encoded_len() > ANSWER_BYTES_MAX => {
                Err(Error::Internal(format!("an answer has {} bytes", answer.encoded_len())))
            }
            Ok(answer) => answer,
            Err(_) => Err(Error::DeadlineExceeded { is_unchanged: true }),
        };
        answer.map(response).map_err(|error| error.into_status(&name))
    }
}

/// A response with its size, for the limit on answers that their readers do not take.
pub(in crate::rpc) fn response<A: Message>(answer: A) -> Response<A> {
    let bytes = AnswerBytes::of(answer.encoded_len());
    let mut response = Response::new(answer);
    if let Some(bytes) = bytes {
        response.extensions_mut().insert(bytes);
    }
    response
}

/// One call: the caller, and the resources to carry the call out.
pub(in crate::rpc) struct Call {
    pub(in crate::rpc) rpc: Arc<Rpc>,
    pub(in crate::rpc) principal: Principal,
    pub(in crate::rpc) name: CallName,
    pub(in crate::rpc) deadline: Instant,
    /// The caller's own deadline, which may be later than `deadline`.
    pub(in crate::rpc) sent_deadline: Option<Deadline>,
    /// The call's stream. `None` for a call that came over another transport.
    stream: Option<Arc<Stream>>,
}

/// See [`Call::weight`].
pub(in crate::rpc) struct Weight {
    stream: Option<Arc<Stream>>,
    owner: u128,
}

impl Weight {
    /// Says that so many rows, events or items are worked on next. The steps of a call with many take milliseconds, so they run in
    /// the lane of heavy calls.
    pub(in crate::rpc) async fn works_on(&self, count: u64) {
        if let Some(stream) = &self.stream
            && count > LIGHT_COUNT_MAX
        {
            stream.becomes_heavy(self.owner);
            tokio::task::yield_now().await;
        }
    }

    /// Says that the call reads from the database or waits next. It must not wait in the lane while it holds a connection.
    pub(in crate::rpc) fn reads(&self) {
        self.stream.iter().for_each(|stream| stream.becomes_light());
    }
}

impl Call {
    /// Says that the answer is a stream of events. The streams have a limit of their own.
    pub(in crate::rpc) fn is_stream(&self) {
        self.only_waits();
        self.stream.iter().for_each(|stream| stream.is_of_events());
    }

    /// Gives the call's place among those of its account back, because the call only waits from now on.
    pub(in crate::rpc) fn only_waits(&self) {
        self.stream.iter().for_each(|stream| stream.let_go());
    }

    /// See [`Weight::works_on`].
    pub(in crate::rpc) async fn works_on(&self, count: usize) {
        self.weight().works_on(count as u64).await;
    }

    /// How the call says how much it works on.
    pub(in crate::rpc) fn weight(&self) -> Weight {
        Weight { stream: self.stream.clone(), owner: self.account_id().uuid().as_u128() }
    }

    pub(in crate::rpc) fn account_id(&self) -> AccountId {
        self.principal.account_id
    }

    pub(in crate::rpc) fn store(&self) -> &Store {
        self.rpc.app.store()
    }

    pub(in crate::rpc) fn now(&self) -> Time {
        self.rpc.app.clock().now()
    }

    pub(in crate::rpc) fn asking(&self) -> Asking<'_> {
        let (account_id, secrets) = (self.account_id(), &*self.rpc.secrets);
        Asking { now: self.now(), key_kind: self.principal.kind, account_id, secrets }
    }

    /// The rule of a message, wrapped for the app.
    pub(in crate::rpc) fn envelope<M: Change>(&self, message: &M, rule: M::Rule) -> Envelope {
        self.envelope_in(self.account_id(), message, rule)
    }

    fn envelope_in<M: Change>(&self, account_id: AccountId, message: &M, rule: M::Rule) -> Envelope {
        let app = &self.rpc.app;
        let envelope = change::envelope(message, rule, account_id, |scope, content| app.content_hash(scope, content));
        Envelope { actor: change::is_audited::<M>().then(|| Box::new(self.actor::<M>())), ..envelope }
    }

    fn actor<M: Change>(&self) -> Actor {
        Actor {
            key_id: self.principal.key_id,
            key_kind: self.principal.kind,
            address: self.principal.client.address,
            method: M::NAME,
            call_id: (*self.name.request_id).to_owned(),
        }
    }

    /// Submits the rule of a message. Also returns whether the answer is a replay of an earlier one.
    pub(in crate::rpc) async fn carry_out<M: Change>(
        &self,
        message: &M,
        rule: M::Rule,
    ) -> Result<(<M::Rule as Rule>::Answer, bool), Error> {
        self.carry_out_in(self.account_id(), message, rule).await
    }

    /// Like `carry_out`, with other paths of fields, where these depend on the request.
    pub(in crate::rpc) async fn carry_out_with<M: Change>(
        &self,
        message: &M,
        rule: M::Rule,
        paths: FieldPaths,
    ) -> Result<(<M::Rule as Rule>::Answer, bool), Error> {
        let envelope = self.envelope_in(self.account_id(), message, rule);
        let answer = self.rpc.app.submit(envelope, Some(self.deadline)).await;
        let answer = answer.map_err(|error| Error::from(error).with_paths(paths))?;
        Ok((change::answer::<M>(answer.outcome)?, answer.replayed))
    }

    /// Like `carry_out`, but in another account than the caller's. For operators.
    pub(in crate::rpc) async fn carry_out_in<M: Change>(
        &self,
        account_id: AccountId,
        message: &M,
        rule: M::Rule,
    ) -> Result<(<M::Rule as Rule>::Answer, bool), Error> {
        let answer = self.rpc.app.submit(self.envelope_in(account_id, message, rule), Some(self.deadline)).await;
        let answer = answer.map_err(|error| Error::from(error).with_paths(M::PATHS))?;
        Ok((change::answer::<M>(answer.outcome)?, answer.replayed))
    }

    /// Removes what former names have left in the index of names.
    pub(in crate::rpc) async fn tidy_search(&self) -> Result<(), Error> {
        Ok(self.rpc.app.tidy_search().await?)
    }

    /// Submits a command that the call needs besides its own rule.
    pub(in crate::rpc) async fn submit(&self, envelope: Envelope) -> Result<(), Error> {
        self.rpc.app.submit(envelope, Some(self.deadline)).await?;
        Ok(())
    }
}

/// The handler of every call that is a [`Change`].
pub(in crate::rpc) async fn change<M: Change>(call: Call, message: M) -> Result<M::Response, Error> {
    let asking = call.asking();
    let (rule, kept) = message.read(&asking)?;
    let (answer, replayed) = call.carry_out(&message, rule).await?;
    Ok(M::render(answer, replayed, kept, &asking))
}
