//! A listener for axum whose connections fail on command: they reset, or end in the middle of a
//! body. Parses no HTTP, except to find the end of a head.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

const WHOLE: u8 = 0;
const RESET: u8 = 1;
const CUT: u8 = 2;
const ENDED: u8 = 3;

/// Lets the handler of a request break the request's connection.
#[derive(Debug, Clone)]
pub(super) struct Link(Arc<AtomicU8>);

impl Link {
    /// Makes the next write reset the connection (RST), so that the caller sees no answer.
    pub(super) fn reset(&self) {
        self.0.store(RESET, Ordering::SeqCst);
    }

    /// Makes the next write stop halfway through the body and end the connection.
    pub(super) fn cut(&self) {
        self.0.store(CUT, Ordering::SeqCst);
    }
}

impl Connected<IncomingStream<'_, Breakable>> for Link {
    fn connect_info(stream: IncomingStream<'_, Breakable>) -> Self {
        stream.io().link.clone()
    }
}

/// A TCP listener whose connections can be broken through their [`Link`].
#[derive(Debug)]
pub(super) struct Breakable(pub(super) TcpListener);

impl Listener for Breakable {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (stream, peer) = Listener::accept(&mut self.0).await;
        // Send small answers without delay. If this fails, they are only slower.
        let _ = stream.set_nodelay(true);
        (
            Connection {
                stream,
                link: Link(Arc::new(AtomicU8::new(WHOLE))),
            },
            peer,
        )
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A TCP stream that its [`Link`] can break.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    link: Link,
}

fn broken<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::Error::from(io::ErrorKind::ConnectionReset)))
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

/// Vectored writes are not offered, so that head and body of a small answer arrive in one buffer
/// and [`CUT`] can find the body.
impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.link.0.load(Ordering::SeqCst) {
            RESET => {
                // Without lingering, the kernel sends RST when the stream is dropped. If the option
                // cannot be set, the caller sees the connection end without an answer.
                let _ = self.stream.set_zero_linger();
                broken()
            }
            ENDED => broken(),
            CUT => {
                let part = buf.get(..half_of_body(buf)).unwrap_or(buf);
                let written = Pin::new(&mut self.stream).poll_write(cx, part);
                if matches!(written, Poll::Ready(Ok(count)) if count == part.len()) {
                    self.link.0.store(ENDED, Ordering::SeqCst);
                }
                written
            }
            _ => Pin::new(&mut self.stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Returns the length of an answer that is cut short: the head and half of the body.
fn half_of_body(answer: &[u8]) -> usize {
    let head = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map_or(0, |at| at + 4);
    head + (answer.len() - head) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_keeps_the_head_and_half_of_the_body() {
        assert_eq!(half_of_body(b"HTTP/1.1 200 OK\r\n\r\n123456"), 22);
        assert_eq!(half_of_body(b"123456"), 3);
        assert_eq!(half_of_body(b""), 0);
    }
}
