//! Mail is sent once by SMTP to a real mail server, or lies in the spool, whatever happens in between. With TLS it goes only to a server
//! whose certificate is trusted.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use headwater::app::worker::send_mail;
use headwater::clock::{Clock, SystemClock};
use headwater::domain::mail::{Letter, Mail};
use headwater::domain::set::{Needs, WorkingSet};
use headwater::domain::time::Time;
use headwater::store::Store;
use mailin::response::{NO_MAILBOX, OK};
use mailin::{Action, Handler, Response, SessionBuilder};
use testkit::process::{ServerOptions, Serving};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::store::write;
use crate::support::binary;
use crate::support::certificate::make_certificates;
use crate::support::database::TestDatabase;
use crate::support::rows;
use crate::support::server::{START_MICROS, TestServer};
use crate::support::store::open;

/// What a mail server got: the recipient and the text of each mail.
type Inbox = Arc<Mutex<Vec<(String, String)>>>;

/// One session of the mail server.
struct Session {
    inbox: Inbox,
    /// Answers to the next recipients, before the server takes one.
    answers: Arc<Mutex<Vec<Response>>>,
    recipient: String,
    text: Vec<u8>,
}

impl Handler for Session {
    fn rcpt(&mut self, to: &str) -> Response {
        to.clone_into(&mut self.recipient);
        if to.starts_with("nobody@") {
            return NO_MAILBOX;
        }
        self.answers.lock().unwrap().pop().unwrap_or(OK)
    }

    fn data(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.text.extend_from_slice(bytes);
        Ok(())
    }

    fn data_end(&mut self) -> Response {
        let text = String::from_utf8(std::mem::take(&mut self.text)).unwrap();
        self.inbox.lock().unwrap().push((self.recipient.clone(), text));
        OK
    }
}

/// How a mail server speaks TLS.
#[derive(Clone)]
enum Tls {
    Never,
    /// When the client asks for it.
    Starts(TlsAcceptor),
    /// From the beginning.
    Always(TlsAcceptor),
}

/// The mail server's side of TLS, with the certificate in this folder.
fn acceptor(folder: &Path) -> TlsAcceptor {
    let certificates = CertificateDer::pem_file_iter(folder.join("server.pem")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// A mail server on a free port. It gives these answers first.
pub(crate) struct MailServer {
    pub(crate) url: String,
    port: u16,
    inbox: Inbox,
    /// How many connections have ended.
    ended: Arc<AtomicUsize>,
}

impl MailServer {
    pub(crate) async fn start(answers: Vec<Response>) -> Self {
        Self::start_with(answers, Tls::Never).await
    }

    async fn start_with(answers: Vec<Response>, tls: Tls) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = format!("smtp://127.0.0.1:{port}");
        let (inbox, answers) = (Inbox::default(), Arc::new(Mutex::new(answers)));
        let kept = Arc::clone(&inbox);
        let ended = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&ended);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let session = Session {
                    inbox: Arc::clone(&kept),
                    answers: Arc::clone(&answers),
                    recipient: String::new(),
                    text: Vec::new(),
                };
                let (tls, count) = (tls.clone(), Arc::clone(&count));
                tokio::spawn(async move {
                    serve(Box::new(stream), session, tls).await;
                    count.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { url, port, inbox, ended }
    }

    fn ended(&self) -> usize {
        self.ended.load(Ordering::SeqCst)
    }

    pub(crate) fn inbox(&self) -> Vec<(String, String)> {
        self.inbox.lock().unwrap().clone()
    }
}

/// A connection, with or without TLS.
trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// The connection after the handshake. `None` when the client ends it.
async fn secured(stream: Box<dyn Duplex>, acceptor: &TlsAcceptor) -> Option<Box<dyn Duplex>> {
    acceptor.accept(stream).await.ok().map(|stream| Box::new(stream) as Box<dyn Duplex>)
}

async fn serve(mut stream: Box<dyn Duplex>, handler: Session, tls: Tls) {
    let mut builder = SessionBuilder::new("mail.test");
    match &tls {
        Tls::Never => {}
        Tls::Starts(_) => _ = builder.enable_start_tls(),
        Tls::Always(acceptor) => match secured(stream, acceptor).await {
            Some(secured) => stream = secured,
            None => return,
        },
    }
    let mut session = builder.build(IpAddr::V4(Ipv4Addr::LOCALHOST), handler);
    let mut stream = BufReader::new(stream);
    let mut answer = session.greeting();
    loop {
        if answer.action != Action::NoReply {
            let mut bytes = Vec::new();
            answer.write_to(&mut bytes).unwrap();
            if stream.write_all(&bytes).await.is_err() || answer.action == Action::Close {
                return;
            }
        }
        if let (Action::UpgradeTls, Tls::Starts(acceptor)) = (&answer.action, &tls) {
            let Some(secured) = secured(stream.into_inner(), acceptor).await else { return };
            stream = BufReader::new(secured);
            session.tls_active();
        }
        let mut line = Vec::new();
        if stream.read_until(b'\n', &mut line).await.unwrap_or_default() == 0 {
            return;
        }
        answer = session.process(&line);
    }
}

/// Has mail in the database that a server wrote and did not send.
async fn begin_with(database: &TestDatabase, mails: Vec<Mail>) {
    let store = open(database).await;
    let change = |set: &mut WorkingSet| {
        set.put(rows::account(rows::ACCOUNT));
        mails.into_iter().for_each(|mail| _ = set.put(mail));
    };
    write(&store, Needs::default(), change, Time::from_micros(START_MICROS)).await.unwrap();
    store.close().await.unwrap();
}

fn mail(number: u128, recipient: &str) -> Mail {
    let letter = Letter { recipient: recipient.to_owned(), ..rows::mail().letter };
    let id = headwater::domain::id::MailId::from_uuid(uuid::Uuid::from_u128(number));
    Mail::new(id, rows::ACCOUNT, letter, Time::from_micros(START_MICROS))
}

/// Writes one more mail that waits.
async fn add_mail(database: &TestDatabase, mail: Mail) {
    let store = open(database).await;
    write(&store, Needs::default(), |set| _ = set.put(mail), Time::from_micros(START_MICROS)).await.unwrap();
    store.close().await.unwrap();
}

pub(crate) async fn waiting(store: &Store) -> Vec<Mail> {
    headwater::store::mail::due(store, Time::from_micros(i64::MAX), 100).await.unwrap()
}

/// Runs the worker until this is so.
pub(crate) async fn until(server: &TestServer, is_so: impl AsyncFn() -> bool) {
    let done = async {
        while !is_so().await {
            assert!(server.server.app().wake_worker(send_mail::NAME));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), done).await.unwrap();
}

db_test!(mail_arrives_once_by_smtp_after_failures_and_a_restart, |database: TestDatabase| async move {
    begin_with(&database, vec![mail(1, "ann@shop.test"), mail(2, "nobody@shop.test")]).await;
    let busy = Response::custom(451, "ann@shop.test must wait".to_owned());
    let mail_server = MailServer::start(vec![busy]).await;
    let flags = ["--mail-smtp-url", &mail_server.url, "--mail-from", "The Shop <noreply@shop.test>"];
    let spool = tempfile::tempdir().unwrap();
    let flags = [&flags[..], &["--mail-spool-dir", spool.path().to_str().unwrap()]].concat();
    let server = TestServer::start_with(&database, &flags).await;
    let store = server.server.app().store();
    // The first try fails, so the mail waits. The address that does not exist is never tried again.
    until(&server, async || waiting(store).await.iter().map(|mail| mail.tries).eq([1])).await;
    assert_eq!(mail_server.inbox(), []);
    let set_aside = spool.path().join("undelivered").join(format!("{}.eml", mail(2, "").id));
    assert!(std::fs::read_to_string(set_aside).unwrap().contains("To: nobody@shop.test"));
    let left = waiting(store).await.remove(0);
    assert_eq!(left.due_at, Time::from_micros(START_MICROS + 60_000_000));
    server.server.stop().await;

    // Another server sends it when it is due.
    let server = TestServer::start_with(&database, &flags).await;
    let store = server.server.app().store();
    server.clock.pass(Duration::from_secs(59));
    for _ in 0..3 {
        assert!(server.server.app().wake_worker(send_mail::NAME));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(mail_server.inbox(), []);
    server.clock.pass(Duration::from_secs(1));
    until(&server, async || waiting(store).await.is_empty()).await;
    let inbox = mail_server.inbox();
    assert_eq!(inbox.len(), 1, "{inbox:?}");
    let (recipient, text) = &inbox[0];
    assert_eq!(recipient, "ann@shop.test");
    for line in [
        "From: \"The Shop\" <noreply@shop.test>",
        "To: ann@shop.test",
        &format!("Message-ID: <{}@shop.test>", left.id),
        "Date: Thu, 01 Jan 2026 00:00:00 +0000",
        "it works.",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
});

db_test!(two_servers_do_not_begin_the_same_try, |database: TestDatabase| async move {
    begin_with(&database, vec![mail(1, "ann@shop.test")]).await;
    let store = open(&database).await;
    let mail = waiting(&store).await.remove(0);
    let next = mail.next_try_after(mail.due_at);
    let mut begun = Vec::new();
    for _ in 0..2 {
        let transaction = store.begin().await.unwrap();
        begun.push(headwater::store::mail::begin_try(&transaction, &mail, next).await.unwrap());
        transaction.commit().await.unwrap();
    }
    assert_eq!(begun, [1, 0]);
    let left = waiting(&store).await.remove(0);
    assert_eq!((left.due_at, left.tries), (next, 1), "it is repeated if the server ends now");
    store.close().await.unwrap();
});

db_test!(mail_is_in_the_spool_while_no_server_is_set, |database: TestDatabase| async move {
    begin_with(&database, vec![mail(1, "ann@shop.test")]).await;
    let spool = tempfile::tempdir().unwrap();
    let dir = spool.path().join("mail");
    let server = TestServer::start_with(&database, &["--mail-spool-dir", dir.to_str().unwrap()]).await;
    let store = server.server.app().store();
    until(&server, async || waiting(store).await.is_empty()).await;
    let files: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files, [dir.join(format!("{}.eml", mail(1, "").id))]);
    let text = std::fs::read_to_string(&files[0]).unwrap();
    assert!(text.contains("To: ann@shop.test\r\n") && text.ends_with("it works.\r\n"), "{text}");
    assert!(text.contains("Subject: =?utf-8?"), "{text}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&files[0]).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "only its owner reads it");
});

db_test!(mail_that_no_server_takes_for_days_is_set_aside, |database: TestDatabase| async move {
    begin_with(&database, vec![mail(1, "ann@shop.test")]).await;
    let spool = tempfile::tempdir().unwrap();
    // Nobody listens there.
    let flags = ["--mail-smtp-url", "smtp://127.0.0.1:1", "--mail-spool-dir", spool.path().to_str().unwrap()];
    let server = TestServer::start_with(&database, &flags).await;
    let store = server.server.app().store();
    until(&server, async || waiting(store).await[0].tries == 1).await;
    server.clock.advance_days(4);
    until(&server, async || waiting(store).await.is_empty()).await;
    assert!(spool.path().join("undelivered").join(format!("{}.eml", mail(1, "").id)).exists());
});

/// Runs the binary with this mail server until `is_done`. It trusts the certificates that the authority in the folder has made, and
/// those alone. Returns the log.
async fn run_binary(database: &TestDatabase, url: &str, trusted: &Path, is_done: impl AsyncFn() -> bool) -> String {
    let directory = tempfile::tempdir().unwrap();
    let authority = trusted.join("authority.pem").to_str().unwrap().to_owned();
    let environment = [("SSL_CERT_FILE", authority.as_str()), ("HEADWATER_MAIL_SMTP_URL", url)];
    let options = ServerOptions {
        database: Some(database.url.clone()),
        environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        ..binary::options(directory.path(), &[])
    };
    let server = Serving::start(&options).await.unwrap();
    let done = async {
        while !is_done().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), done).await.unwrap();
    server.terminate().await.unwrap().1
}

db_test!(mail_goes_by_tls_to_a_server_that_is_trusted, |database: TestDatabase| async move {
    let folder = tempfile::tempdir().unwrap();
    if !make_certificates(folder.path()).await {
        return;
    }
    let starts = MailServer::start_with(Vec::new(), Tls::Starts(acceptor(folder.path()))).await;
    let always = MailServer::start_with(Vec::new(), Tls::Always(acceptor(folder.path()))).await;
    begin_with(&database, vec![mail(1, "ann@shop.test")]).await;
    let url = format!("smtp://localhost:{}?tls=required", starts.port);
    run_binary(&database, &url, folder.path(), async || !starts.inbox().is_empty()).await;
    add_mail(&database, mail(2, "bea@shop.test")).await;
    let url = format!("smtps://localhost:{}", always.port);
    run_binary(&database, &url, folder.path(), async || !always.inbox().is_empty()).await;
    let recipients =
        |server: &MailServer| server.inbox().into_iter().map(|(recipient, _)| recipient).collect::<Vec<_>>();
    assert_eq!(
        (recipients(&starts), recipients(&always)),
        (vec!["ann@shop.test".into()], vec!["bea@shop.test".into()])
    );
    let store = open(&database).await;
    assert_eq!(waiting(&store).await, []);
    store.close().await.unwrap();
});

db_test!(mail_waits_while_its_server_is_not_trusted, |database: TestDatabase| async move {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    if !make_certificates(folder.path()).await || !make_certificates(other.path()).await {
        return;
    }
    let starts = MailServer::start_with(Vec::new(), Tls::Starts(acceptor(folder.path()))).await;
    let always = MailServer::start_with(Vec::new(), Tls::Always(acceptor(folder.path()))).await;
    let never = MailServer::start(Vec::new()).await;
    begin_with(&database, Vec::new()).await;
    let (unknown, other_name) = ("from an authority that this system does not know", "for another name than the host");
    let cases = [
        // An authority that is not trusted.
        (&starts, format!("smtp://localhost:{}?tls=required", starts.port), other.path(), unknown),
        (&always, format!("smtps://localhost:{}", always.port), other.path(), unknown),
        // The certificate of another name.
        (&starts, format!("smtp://127.0.0.1:{}?tls=required", starts.port), folder.path(), other_name),
        (&always, format!("smtps://127.0.0.1:{}", always.port), folder.path(), other_name),
        // Somebody in between who takes STARTTLS away.
        (&never, format!("smtp://localhost:{}?tls=required", never.port), folder.path(), "a mail was not sent"),
    ];
    for (number, (mail_server, url, trusted, problem)) in (1..).zip(cases) {
        // Written now, because the binary has the real clock and gives up after some days.
        let now = SystemClock.now();
        add_mail(&database, Mail { created_at: now, due_at: now, ..mail(number, "ann@shop.test") }).await;
        let before = mail_server.ended();
        let log = run_binary(&database, &url, trusted, async || mail_server.ended() > before).await;
        assert!(log.contains("a mail was not sent; it is tried again"), "{url}: {log}");
        assert!(log.contains(problem), "{url}: {log}");
        assert!(!log.contains("ann@shop.test"), "{url}: {log}");
    }
    let got = [starts.inbox(), always.inbox(), never.inbox()].concat();
    assert_eq!(got, [], "nothing was sent");
    let store = open(&database).await;
    let tries: Vec<i32> = waiting(&store).await.iter().map(|mail| mail.tries).collect();
    assert_eq!(tries, [1; 5], "all of it is kept");
    store.close().await.unwrap();
});
