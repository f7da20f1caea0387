//! Framing: what both sides put on the stream.
//!
//! A frame is its length in four bytes, little endian, then that many bytes of the codec. Before any frame
//! each side sends a [`Hello`]: eight bytes of magic and the protocol version.

use std::io::{self, Read, Write};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use veritable_domain::codec::{self, CodecError, Layout, SchemaRead, SchemaWrite};

use crate::message::PROTOCOL_VERSION;

/// Most bytes of a frame's content: the largest page or topic an import carries, with room to spare.
pub const MAX_FRAME_BYTES: usize = codec::MAX_SEQUENCE_BYTES;

/// Bytes of a frame's length.
pub const HEAD_BYTES: usize = 4;

/// Bytes of a [`Hello`].
pub const HELLO_BYTES: usize = 12;

const MAGIC: [u8; 8] = *b"VRTBLwr\n";

/// Why a stream cannot be used any further.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The stream broke or ended.
    #[error("the connection to the writer broke: {0}")]
    Io(#[from] io::Error),
    /// The peer is no Veritable.
    #[error("the peer does not speak the writer's protocol")]
    Foreign,
    /// The peer speaks another version.
    #[error("the peer speaks version {found} of the writer's protocol, this is {PROTOCOL_VERSION}")]
    Version {
        /// The peer's.
        found: u32,
    },
    /// A length beyond [`MAX_FRAME_BYTES`].
    #[error("a frame of {bytes} bytes, at most {MAX_FRAME_BYTES}")]
    TooLong {
        /// As announced or as encoded.
        bytes: usize,
    },
    /// The content is not the message expected.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// The first bytes of either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello;

impl Hello {
    /// This side's bytes.
    pub fn bytes() -> [u8; HELLO_BYTES] {
        let mut bytes = [0; HELLO_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..].copy_from_slice(&PROTOCOL_VERSION.to_le_bytes());
        bytes
    }

    /// Checks the peer's bytes.
    ///
    /// # Errors
    /// [`FrameError::Foreign`] or [`FrameError::Version`].
    pub fn check(bytes: [u8; HELLO_BYTES]) -> Result<Hello, FrameError> {
        let (magic, version) = bytes.split_at(8);
        if magic != MAGIC {
            return Err(FrameError::Foreign);
        }
        match u32::from_le_bytes([version[0], version[1], version[2], version[3]]) {
            PROTOCOL_VERSION => Ok(Hello),
            found => Err(FrameError::Version { found }),
        }
    }

    /// Exchanges hellos on a blocking stream.
    ///
    /// # Errors
    /// The stream broke, or the peer is another.
    pub fn exchange(stream: &mut (impl Read + Write)) -> Result<Hello, FrameError> {
        stream.write_all(&Hello::bytes())?;
        let mut theirs = [0; HELLO_BYTES];
        stream.read_exact(&mut theirs)?;
        Hello::check(theirs)
    }
}

/// A message as a whole frame.
///
/// # Errors
/// It is too long.
pub fn to_frame<T>(message: &T) -> Result<Vec<u8>, FrameError>
where
    T: SchemaWrite<Layout, Src = T>,
{
    let content = codec::encode(message)?;
    if content.len() > MAX_FRAME_BYTES {
        return Err(FrameError::TooLong { bytes: content.len() });
    }
    let mut frame = Vec::with_capacity(HEAD_BYTES + content.len());
    frame.extend_from_slice(&(content.len() as u32).to_le_bytes());
    frame.extend_from_slice(&content);
    Ok(frame)
}

fn announced(head: [u8; HEAD_BYTES]) -> Result<usize, FrameError> {
    let bytes = u32::from_le_bytes(head) as usize;
    if bytes > MAX_FRAME_BYTES { Err(FrameError::TooLong { bytes }) } else { Ok(bytes) }
}

/// Reads one frame's content from a blocking stream; `None` at a clean end.
///
/// # Errors
/// The stream broke within a frame, or the frame is too long.
pub fn read_frame(stream: &mut impl Read) -> Result<Option<Vec<u8>>, FrameError> {
    let mut head = [0; HEAD_BYTES];
    match io::copy(&mut stream.by_ref().take(HEAD_BYTES as u64), &mut &mut head[..])? {
        0 => return Ok(None),
        4 => {}
        _ => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
    }
    let mut content = vec![0; announced(head)?];
    stream.read_exact(&mut content)?;
    Ok(Some(content))
}

/// As [`read_frame`], and decodes it.
///
/// # Errors
/// As [`read_frame`], or the content is no `T`.
pub fn read_message<T>(stream: &mut impl Read) -> Result<Option<T>, FrameError>
where
    T: for<'de> SchemaRead<'de, Layout, Dst = T>,
{
    read_frame(stream)?.map(|content| codec::decode(&content).map_err(FrameError::from)).transpose()
}

/// [`Hello::exchange`] on an asynchronous stream.
///
/// # Errors
/// As there.
pub async fn exchange_async(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<Hello, FrameError> {
    stream.write_all(&Hello::bytes()).await?;
    let mut theirs = [0; HELLO_BYTES];
    stream.read_exact(&mut theirs).await?;
    Hello::check(theirs)
}

/// [`read_message`] on an asynchronous stream; the end is an error here.
///
/// # Errors
/// As there.
pub async fn read_message_async<T>(stream: &mut (impl AsyncRead + Unpin)) -> Result<T, FrameError>
where
    T: for<'de> SchemaRead<'de, Layout, Dst = T>,
{
    let mut head = [0; HEAD_BYTES];
    stream.read_exact(&mut head).await?;
    let mut content = vec![0; announced(head)?];
    stream.read_exact(&mut content).await?;
    Ok(codec::decode(&content)?)
}

#[cfg(test)]
mod tests {
    use veritable_domain::tag::Tag;
    use veritable_domain::time::UnixMillis;

    use super::*;
    use crate::message::{
        Command, Event, FromWriter, IdempotencyKey, Outcome, Refusal, Reply, Request, ToWriter,
    };

    fn content<T: SchemaWrite<Layout, Src = T>>(message: &T) -> Vec<u8> {
        to_frame(message).unwrap()[4..].to_vec()
    }

    /// The bytes of the version there is. A change here is a change of the protocol: raise its version.
    #[test]
    fn messages_keep_their_bytes() {
        let request = ToWriter::Request(Box::new(Request {
            id: 1,
            key: IdempotencyKey { name: [7; 16], digest: u64::from_le_bytes([8; 8]) },
            deadline: UnixMillis(2),
            command: Command::Ping,
        }));
        let golden =
            [&[0; 4][..], &1u64.to_le_bytes(), &[7; 16], &[8; 8], &2u64.to_le_bytes(), &[0; 4]].concat();
        assert_eq!(content(&request), golden);
        assert_eq!(content(&ToWriter::Subscribe), [1, 0, 0, 0]);
        let reply = FromWriter::Reply(Reply { id: 3, result: Ok(Outcome::Done) });
        assert_eq!(content(&reply), [&[0; 4][..], &3u64.to_le_bytes(), &[0; 8]].concat());
        let refused = FromWriter::Reply(Reply { id: 3, result: Err(Refusal::Busy) });
        assert_eq!(content(&refused), [&[0; 4][..], &3u64.to_le_bytes(), &[1, 0, 0, 0, 5, 0, 0, 0]].concat());
        let event = FromWriter::Event(Event { commit: 4, tags: vec![Tag::Latest] });
        let golden = [&[1, 0, 0, 0][..], &4u64.to_le_bytes(), &1u64.to_le_bytes(), &[2, 0, 0, 0]].concat();
        assert_eq!(content(&event), golden);
    }

    #[test]
    fn foreign_and_damaged_streams_are_refused() {
        let mut other_version = Hello::bytes();
        other_version[8] = 99;
        assert!(matches!(Hello::check(other_version), Err(FrameError::Version { found: 99 })));
        assert!(matches!(Hello::check([0; HELLO_BYTES]), Err(FrameError::Foreign)));
        let frame = to_frame(&ToWriter::Subscribe).unwrap();
        for cut in 1..frame.len() {
            assert!(read_message::<ToWriter>(&mut &frame[..cut]).is_err(), "{cut}");
        }
        assert!(read_frame(&mut &[][..]).unwrap().is_none());
        assert!(matches!(read_frame(&mut &u32::MAX.to_le_bytes()[..]), Err(FrameError::TooLong { .. })));
    }

    #[test]
    fn random_content_is_an_error_and_never_a_panic() {
        let mut seed = 0x2545_F491_4F6C_DD1D_u64;
        for round in 0..20_000 {
            let bytes: Vec<u8> = (0..round % 97)
                .map(|_| {
                    seed ^= seed << 13;
                    seed ^= seed >> 7;
                    seed ^= seed << 17;
                    // Small numbers reach further into the decoder than evenly spread ones.
                    if seed & 0x100 == 0 { (seed >> 32) as u8 % 16 } else { (seed >> 32) as u8 }
                })
                .collect();
            let _decoded_or_refused = codec::decode::<ToWriter>(&bytes);
            let _decoded_or_refused = codec::decode::<FromWriter>(&bytes);
        }
    }
}
