//! The HTTP server of the sandbox. Passes requests to the state machine and sends its replies.
//! Decides only about requests that are too long to be read or passed on.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request as HttpRequest, State as Shared};
use axum::http::{HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::approvals::{self, Approvals};
use super::connection::{Breakable, Link};
use super::debug;
use super::fault::Fault;
use super::inbox::{InboxAnswer, Letter};
use super::log::Call;
use super::options::SandboxOptions;
use super::query::MAX_QUERY_BYTES;
use super::reply::{Manner, Reply};
use super::request::{MAX_BODY_BYTES, Request};
use super::state::State;
use super::state_file::StateFile;
use super::world::World;

/// Maximum number of bytes read from a request. Larger than the API's limit, so that a client that
/// exceeds the limit receives the refusal instead of a broken connection.
const MAX_READ_BYTES: usize = 3 * MAX_BODY_BYTES;
/// How long `stop` waits for calls in progress.
const PATIENCE: Duration = Duration::from_secs(2);

/// Starts the stand-in cloud; see the crate's documentation.
#[derive(Debug)]
pub struct Sandbox;

impl Sandbox {
    /// Starts a server in the current tokio runtime. The server stops when the returned value is
    /// dropped.
    ///
    /// # Errors
    /// Fails if the address is not loopback or cannot be bound, if the state file cannot be used,
    /// or if the system has no randomness for request ids.
    pub async fn start(options: SandboxOptions) -> Result<Running, io::Error> {
        if !options.listen.ip().is_loopback() {
            let problem = format!(
                "the sandbox listens on loopback only, not on {}; use 127.0.0.1",
                options.listen
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        let mut seed = [0; 16];
        getrandom::fill(&mut seed).map_err(|error| io::Error::other(error.to_string()))?;
        let bound = TcpListener::bind(options.listen).await;
        let listener = bound.map_err(|error| {
            let problem = format!("cannot listen on {}: {error}", options.listen);
            io::Error::new(error.kind(), problem)
        })?;
        let addr = listener.local_addr()?;
        let clock = options.clock;
        let (options, file) = with_state_file(options)?;
        let state = Arc::new(Mutex::new(State::new(options, seed)));
        let (stop, stopped) = watch::channel(false);
        let desk = Desk {
            state: Arc::clone(&state),
            clock,
            file: file.map(|file| Arc::new(Mutex::new(file))),
            stopped: stopped.clone(),
        };
        let router = Router::new().fallback(serve).with_state(desk);
        let service = router.into_make_service_with_connect_info::<Link>();
        let server =
            axum::serve(Breakable(listener), service).with_graceful_shutdown(until(stopped));
        let task = tokio::spawn(async move { server.await });
        Ok(Running {
            addr,
            state,
            stop,
            task,
        })
    }
}

/// A running sandbox. Dropping it stops the server without waiting.
#[derive(Debug)]
pub struct Running {
    /// The address that the sandbox listens on.
    pub addr: SocketAddr,
    state: Arc<Mutex<State>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<io::Result<()>>,
}

impl Running {
    /// Returns the endpoint to configure in clients, such as `http://127.0.0.1:18300`. It serves
    /// all services.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Returns a copy of the world as it is now.
    pub fn state(&self) -> World {
        lock(&self.state).world.clone()
    }

    /// Changes the world without a call, as a user of the console would.
    pub fn edit(&self, change: impl FnOnce(&mut World)) {
        change(&mut lock(&self.state).world);
    }

    /// Like [`Running::edit`], for the images of another root account, which at first has none.
    pub fn edit_of(&self, owner: &str, change: impl FnOnce(&mut World)) {
        let mut state = lock(&self.state);
        change(state.other_worlds.entry(owner.to_owned()).or_default());
    }

    /// Returns the calls among the latest 10 000 that were not made to the token service, oldest
    /// first.
    pub fn calls(&self) -> Vec<Call> {
        let mut calls = lock(&self.state).log.calls();
        calls.retain(|call| call.service != "sts");
        calls
    }

    /// Returns the calls of the token service among the latest 10 000 calls, oldest first.
    pub fn identity_calls(&self) -> Vec<Call> {
        let mut calls = lock(&self.state).log.calls();
        calls.retain(|call| call.service == "sts");
        calls
    }

    /// Empties the list of calls.
    pub fn forget_calls(&self) {
        lock(&self.state).log.forget();
    }

    /// Returns the letters in the inbox, oldest first; 1 000 at most.
    pub fn letters(&self) -> Vec<Letter> {
        lock(&self.state).inbox.letters()
    }

    /// Empties the inbox.
    pub fn clear_inbox(&self) {
        lock(&self.state).inbox.clear();
    }

    /// Sets how the inbox answers from now on.
    pub fn answer_letters(&self, answer: InboxAnswer) {
        lock(&self.state).inbox.answer = answer;
    }

    /// Reads or changes the approval systems.
    pub fn approvals<T>(&self, use_them: impl FnOnce(&mut Approvals) -> T) -> T {
        use_them(&mut lock(&self.state).approvals)
    }

    /// Adds a fault after the pending ones. Returns `false` without adding it when 1 000 faults are
    /// pending.
    pub fn inject(&self, fault: Fault) -> bool {
        lock(&self.state).inject(fault)
    }

    /// Removes all pending faults.
    pub fn clear_faults(&self) {
        lock(&self.state).faults.clear();
    }

    /// Accepts no more calls, and waits up to two seconds for the calls in progress.
    pub async fn stop(self) {
        let Self { stop, mut task, .. } = self;
        // Sending fails if the server has already ended. Then there is nothing to stop.
        let _ = stop.send(true);
        if tokio::time::timeout(PATIENCE, &mut task).await.is_err() {
            task.abort();
        }
    }
}

#[derive(Debug, Clone)]
struct Desk {
    state: Arc<Mutex<State>>,
    clock: fn() -> Timestamp,
    file: Option<Arc<Mutex<StateFile>>>,
    stopped: watch::Receiver<bool>,
}

impl Desk {
    /// Answers a call. If the call changed the world, saves the world to the state file before the
    /// answer is sent.
    fn answer(&self, request: &Request) -> io::Result<Reply> {
        let mut state = lock(&self.state);
        let reply = state.answer(request, (self.clock)());
        if let Some(file) = &self.file {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            file.save(&state.world)?;
        }
        Ok(reply)
    }
}

/// Opens the state file, if the options name one. The world of the returned options is the one to
/// start with: the world in the file if the file exists, otherwise the configured world, with the
/// added images and accounts.
fn with_state_file(mut options: SandboxOptions) -> io::Result<(SandboxOptions, Option<StateFile>)> {
    let opened = options.state_file.as_deref().map(StateFile::open);
    let (mut file, kept) = opened.transpose()?.unzip();
    if let Some(kept) = kept.flatten() {
        options.world = kept;
    }
    let world = &mut options.world;
    options.images.iter().for_each(|image| world.add(image));
    world.accounts.extend(options.accounts.iter().cloned());
    if let Some(file) = &mut file {
        file.save(world)?;
    }
    Ok((options, file))
}

/// Locks the state. If a thread panicked while it held the lock, the sandbox continues with the
/// state that this thread left.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns when the sandbox is stopped or dropped.
async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender was dropped, which also stops the server.
    let _ = stopped.wait_for(|stop| *stop).await;
}

async fn serve(
    Shared(desk): Shared<Desk>,
    ConnectInfo(link): ConnectInfo<Link>,
    incoming: HttpRequest,
) -> Response<Body> {
    let path = incoming.uri().path().to_owned();
    let request = match read(incoming).await {
        Some(request) => request,
        None => return html(StatusCode::PAYLOAD_TOO_LARGE, &desk),
    };
    if let Some(below) = path.strip_prefix("/inbox") {
        let answer = lock(&desk.state).inbox.take(below, &request);
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let mut response = send(status, "application/json", answer.body, &desk);
        if let Some(seconds) = answer.retry_after {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        return response;
    }
    if let Some((system, below)) = approvals::addressed(&path) {
        let pause = lock(&desk.state).approvals.pause(system);
        wait(pause, &desk).await;
        let (status, value) = lock(&desk.state).approvals.answer(system, below, &request);
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
        return send(status, "application/json", value.to_string(), &desk);
    }
    if path != "/" {
        let (status, value) = debug::answer(&mut lock(&desk.state), &path, &request);
        return send(status, "application/json", value.to_string(), &desk);
    }
    // The real gateway refuses a query that is too long before the API sees it, so the answer has
    // no envelope.
    if request.query.len() > MAX_QUERY_BYTES {
        return html(StatusCode::URI_TOO_LONG, &desk);
    }
    let reply = match desk.answer(&request) {
        Ok(reply) => reply,
        Err(error) => {
            let text = format!("the sandbox cannot save its state: {error}\n");
            return send(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", text, &desk);
        }
    };
    match reply.manner {
        Manner::Plain => {}
        Manner::Reset => link.reset(),
        Manner::Cut => link.cut(),
        Manner::Html(status) => {
            return html(
                StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY),
                &desk,
            );
        }
        Manner::Slow(pause) => wait(pause, &desk).await,
    }
    send(StatusCode::OK, "application/json", reply.body, &desk)
}

/// Waits for `pause`, or until the sandbox stops if that comes first.
async fn wait(pause: Duration, desk: &Desk) {
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        () = until(desk.stopped.clone()) => {}
    }
}

/// Reads a complete request; `None` if the body exceeds [`MAX_READ_BYTES`] or breaks off.
async fn read(incoming: HttpRequest) -> Option<Request> {
    let (head, body) = incoming.into_parts();
    let body: Bytes = to_bytes(body, MAX_READ_BYTES).await.ok()?;
    let mut request = Request {
        method: head.method.as_str().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        body,
        ..Request::default()
    };
    for (name, value) in &head.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        request
            .headers
            .entry(name.as_str().to_owned())
            .or_insert(value);
    }
    Some(request)
}

fn html(status: StatusCode, desk: &Desk) -> Response<Body> {
    let page = format!(
        "<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>\n"
    );
    send(status, "text/html", page, desk)
}

/// Builds an answer. The `Date` header is the sandbox's time, so that a client can compare its own
/// clock with it.
fn send(status: StatusCode, kind: &'static str, body: String, desk: &Desk) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&(desk.clock)());
    if let Some(date) = date.ok().and_then(|date| HeaderValue::try_from(date).ok()) {
        headers.insert(header::DATE, date);
    }
    response
}

#[cfg(test)]
mod tests;
