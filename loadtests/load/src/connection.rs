//! One connection kept open, one request at a time on it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HeaderMap, HeaderName};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::ask::{Ask, CacheSays, Method, Reply, Trouble};

/// What browsers accept; programs take the answer as it is.
const BROWSERS_ACCEPT: &str = "gzip, deflate, br, zstd";
const USER_AGENT: &str = "veritable-load";
const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// A connection; opened again when the server has closed it between two requests, as browsers do.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    host: Rc<str>,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    /// None yet, to `address`; requests name it `host`.
    pub fn new(address: SocketAddr, host: Rc<str>) -> Connection {
        Connection { address, host, sender: None }
    }

    /// Opens it if it is not open. Says whether it had to. How long that takes is for the caller to bound.
    ///
    /// # Errors
    /// [`Trouble::Connect`]
    pub async fn open(&mut self) -> Result<bool, Trouble> {
        if self.sender.as_ref().is_some_and(|sender| !sender.is_closed()) {
            return Ok(false);
        }
        let connect = async {
            let stream = TcpStream::connect(self.address).await.ok()?;
            stream.set_nodelay(true).ok()?;
            http1::handshake(TokioIo::new(stream)).await.ok()
        };
        let (sender, connection) = connect.await.ok_or(Trouble::Connect)?;
        tokio::task::spawn_local(async move {
            // How it ended is told by the request that it broke.
            let _ended = connection.await;
        });
        self.sender = Some(sender);
        Ok(true)
    }

    /// Sends a request and reads its answer to the end; for the caller to bound as well.
    ///
    /// # Errors
    /// Why there is none. Afterwards the connection is a new one.
    pub async fn ask(&mut self, ask: &Ask) -> Result<Reply, Trouble> {
        let request = request(ask, &self.host).ok_or(Trouble::Unbuilt)?;
        self.open().await?;
        // Taken out, so that a request given up halfway takes its connection with it.
        let mut sender = self.sender.take().ok_or(Trouble::Connect)?;
        sender.ready().await.map_err(|_| Trouble::Closed)?;
        let answer = sender.send_request(request).await.map_err(|_| Trouble::Closed)?;
        let (head, mut incoming) = answer.into_parts();
        let (mut bytes, mut body) = (0, BytesMut::new());
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|_| Trouble::Closed)?;
            if let Some(part) = frame.data_ref() {
                bytes += part.len() as u64;
                if ask.wants_body {
                    body.extend_from_slice(part);
                }
            }
        }
        self.sender = Some(sender);
        let status = head.status.as_u16();
        if status >= 400 {
            return Err(Trouble::Status(status));
        }
        Ok(Reply {
            status,
            etag: head.headers.get(hyper::header::ETAG).and_then(|tag| tag.to_str().ok()).map(Arc::from),
            cache: cache_says(&head.headers),
            cookies: cookies(&head.headers),
            bytes,
            body: body.freeze(),
        })
    }
}

fn request(ask: &Ask, host: &str) -> Option<hyper::Request<Full<Bytes>>> {
    let (method, body) = match &ask.method {
        Method::Get => ("GET", None),
        Method::Send(method, body) => (*method, Some((body, "application/json"))),
        Method::Form(body) => ("POST", Some((body, "application/x-www-form-urlencoded"))),
    };
    let mut request = hyper::Request::builder()
        .method(method)
        .uri(&*ask.target)
        .header("host", host)
        .header("user-agent", USER_AGENT);
    if !ask.plain {
        request = request.header("accept-encoding", BROWSERS_ACCEPT);
    }
    if let Some(member) = &ask.as_member {
        let (name, value) = member.header();
        request = request.header(name, value);
    }
    if let Some(known) = &ask.known {
        request = request.header("if-none-match", &**known);
    }
    if let Some((_, content_type)) = body {
        request = request.header("content-type", content_type);
    }
    if let Method::Form(_) = ask.method {
        request = request.header("origin", format!("http://{host}"));
    }
    request.body(Full::new(body.map(|(body, _)| body.clone()).unwrap_or_default())).ok()
}

/// What is set, without what is taken back.
fn cookies(headers: &HeaderMap) -> Option<Arc<str>> {
    let set = headers.get_all(hyper::header::SET_COOKIE).iter();
    let pairs = set.filter_map(|value| value.to_str().ok()?.split(';').next());
    let kept: Vec<&str> = pairs.filter(|pair| !pair.ends_with('=')).collect();
    (!kept.is_empty()).then(|| kept.join("; ").into())
}

fn cache_says(headers: &HeaderMap) -> CacheSays {
    match headers.get(X_CACHE).map(|value| value.as_bytes()) {
        Some(b"hit") => CacheSays::Hit,
        Some(b"stale") => CacheSays::Stale,
        Some(b"miss") => CacheSays::Miss,
        _ => CacheSays::Nothing,
    }
}
