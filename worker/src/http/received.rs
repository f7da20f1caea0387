//! A request's body as it comes in, which tells its connection whether it was read to its end: what is left of one would
//! be taken for the next request by whoever gets the connection (request smuggling, CWE-444).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::socket::Requests;

pub(crate) struct Received {
    body: Incoming,
    requests: Arc<Requests>,
    ended: bool,
}

impl Received {
    /// The body of one of a connection's requests.
    pub(crate) fn new(body: Incoming, requests: Arc<Requests>) -> Received {
        Received { body, requests, ended: false }
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.ended |= matches!(polled, Poll::Ready(None));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        self.requests.leave_unread(!self.ended && !self.body.is_end_stream());
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::{Request, Response};
    use http_body_util::{BodyExt, Empty};
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// Whether the connection is between two requests when one with this head and body was answered by who reads so many
    /// frames of it.
    async fn is_between_after(sent: &str, frames: usize) -> bool {
        let requests = Arc::new(Requests::default());
        let (ours, mut theirs) = duplex(1_024);
        let service = service_fn(|request: Request<Incoming>| {
            let mut request = request.map(|body| Received::new(body, requests.clone()));
            async move {
                for _ in 0..frames {
                    request.body_mut().frame().await.transpose().unwrap();
                }
                Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
            }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(ours), service);
        theirs.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        tokio::select! {
            ended = connection => panic!("{ended:?}"),
            read = theirs.read_exact(&mut answer) => read.unwrap(),
        };
        assert_eq!(&answer, b"HTTP/1.1 200");
        requests.is_between()
    }

    #[tokio::test]
    async fn what_is_left_of_a_body_is_no_request() {
        let another = "GET /another HTTP/1.1\r\nHost: x\r\n\r\n";
        for method in ["GET", "POST"] {
            let nothing = format!("{method} / HTTP/1.1\r\nHost: x\r\n\r\n");
            assert!(is_between_after(&nothing, 0).await);
            let length = another.len();
            let long = format!("{method} / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{another}");
            assert!(!is_between_after(&long, 0).await);
            assert!(is_between_after(&long, 1).await);
            let chunked = format!(
                "{method} / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{another}\r\n0\r\n\r\n"
            );
            assert!(!is_between_after(&chunked, 1).await, "its end was not seen");
            assert!(is_between_after(&chunked, 2).await);
        }
    }
}
