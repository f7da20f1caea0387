//! What becomes of a picture before it is stored: it is read by its content, within bounds, and written anew, so that
//! nothing is left of its file but the picture. Where and when it was taken goes, and so does whatever was hidden in it
//! or behind it.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use sha2::{Digest, Sha256};
use veritable_domain::upload::{MAX_STORED_BYTES, Media, Upload, UploadHash};

/// Longest side, in pixels: panoramas have 10,000.
const MAX_SIDE: u32 = 16_000;
/// Most pixels: what the best telephones and most cameras take. One of them takes 100 MB while it is made.
const MAX_PIXELS: u64 = 26_000_000;
/// Bytes that reading one may take: four a pixel, twice, and the reader's own.
const MAX_ALLOC: u64 = 320 * 1024 * 1024;
/// Most pictures of an animation.
const MAX_FRAMES: usize = 1_000;
/// Most pixels of all of them together.
const MAX_FRAME_PIXELS: u64 = 200_000_000;
/// What a JPEG is written with: nobody sees the difference, and files of cameras get smaller.
const JPEG_QUALITY: u8 = 85;

/// Why a picture is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PictureError {
    /// Not one of the four.
    #[error("this is not a picture in PNG, JPEG, GIF or WebP")]
    Kind,
    /// It ends early or makes no sense.
    #[error("this picture is damaged and cannot be read")]
    Damaged,
    /// Too many pixels.
    #[error("this picture is too large: at most {} million pixels, {MAX_SIDE} on a side", MAX_PIXELS / 1_000_000)]
    TooLarge,
    /// What it becomes has too many bytes.
    #[error("this picture takes too many bytes; make it smaller")]
    TooLong,
}

/// A picture as it is stored.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) upload: Upload,
    pub(crate) content: Vec<u8>,
}

/// Makes a file's picture anew. PNG, JPEG and GIF stay what they are, and a GIF goes on moving; WebP becomes PNG where
/// something shows through it and JPEG otherwise, and stands still.
///
/// # Errors
/// It is none, or beyond the bounds.
pub(crate) fn make(file: &[u8]) -> Result<Made, PictureError> {
    // By its first bytes, whatever it is called.
    let format = image::guess_format(file).map_err(|_| PictureError::Kind)?;
    let (media, (width, height), content) = match format {
        ImageFormat::Gif => gif(file)?,
        ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP => still(file, format)?,
        _ => return Err(PictureError::Kind),
    };
    if content.len() > MAX_STORED_BYTES {
        return Err(PictureError::TooLong);
    }
    let hash = UploadHash(Sha256::digest(&content).into());
    Ok(Made { upload: Upload { hash, media, width, height }, content })
}

type Written = (Media, (u32, u32), Vec<u8>);

fn still(file: &[u8], format: ImageFormat) -> Result<Written, PictureError> {
    let bare;
    let file = match format {
        ImageFormat::Png => {
            bare = bare_png(file);
            &bare
        }
        _ => file,
    };
    let mut reader = ImageReader::with_format(Cursor::new(file), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_ALLOC);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| fault(&error))?;
    let (width, height) = decoder.dimensions();
    // Sixteen bits a channel take twice the room.
    if u64::from(width) * u64::from(height) > MAX_PIXELS || decoder.total_bytes() > MAX_PIXELS * 4 {
        return Err(PictureError::TooLarge);
    }
    // It is held the right way before it is forgotten how it was held. One that cannot be read says nothing.
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|error| fault(&error))?;
    picture.apply_orientation(orientation);
    let seen_through = picture.color().has_alpha() && !is_opaque(&picture);
    let size = (picture.width(), picture.height());
    let mut content = Vec::new();
    let media = match format {
        ImageFormat::Jpeg => Media::Jpeg,
        ImageFormat::WebP if !seen_through => Media::Jpeg,
        _ => Media::Png,
    };
    let written = match media {
        Media::Jpeg => {
            let encoder = JpegEncoder::new_with_quality(&mut content, JPEG_QUALITY);
            match picture {
                DynamicImage::ImageLuma8(grey) => grey.write_with_encoder(encoder),
                other => other.into_rgb8().write_with_encoder(encoder),
            }
        }
        _ => {
            let encoder =
                PngEncoder::new_with_quality(&mut content, CompressionType::Default, FilterType::Adaptive);
            eight_bits(picture, seen_through).write_with_encoder(encoder)
        }
    };
    written.map_err(|error| fault(&error))?;
    Ok((media, size, content))
}

/// A PNG without the chunks that a picture can do without, colour profiles above all: they are compressed, and their
/// reader unpacks them whole, however long they become. What it does not understand it leaves to the reader.
fn bare_png(file: &[u8]) -> Vec<u8> {
    /// Length, name and checksum of a chunk (PNG, third edition, 5.3).
    const AROUND: usize = 12;
    const KEPT: [&[u8]; 6] = [b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND"];
    let (signature, mut rest) = file.split_at(file.len().min(8));
    let mut bare = signature.to_vec();
    while let Some(head) = rest.first_chunk::<8>() {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        let whole = usize::try_from(length).unwrap_or(usize::MAX).saturating_add(AROUND).min(rest.len());
        let (chunk, after) = rest.split_at(whole);
        // Those that must be understood begin with a capital letter.
        if KEPT.contains(&&head[4..]) || head[4].is_ascii_uppercase() {
            bare.extend_from_slice(chunk);
        }
        rest = after;
    }
    bare
}

fn is_opaque(picture: &DynamicImage) -> bool {
    match picture {
        DynamicImage::ImageRgba8(pixels) => pixels.pixels().all(|pixel| pixel.0[3] == u8::MAX),
        DynamicImage::ImageLumaA8(pixels) => pixels.pixels().all(|pixel| pixel.0[1] == u8::MAX),
        _ => false,
    }
}

/// Eight bits a channel, and as many channels as there is something in.
fn eight_bits(picture: DynamicImage, seen_through: bool) -> DynamicImage {
    match (picture.color().has_color(), seen_through) {
        (true, true) => picture.into_rgba8().into(),
        (true, false) => picture.into_rgb8().into(),
        (false, true) => picture.into_luma_alpha8().into(),
        (false, false) => picture.into_luma8().into(),
    }
}

/// An animation, picture by picture, each with the colours it had. Comments and what programs left in it go.
fn gif(file: &[u8]) -> Result<Written, PictureError> {
    let damaged = |_: gif::DecodingError| PictureError::Damaged;
    let unwritten = |_: gif::EncodingError| PictureError::Damaged;
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::Indexed);
    options.check_frame_consistency(true);
    let most = std::num::NonZeroU64::new(MAX_ALLOC).ok_or(PictureError::TooLarge)?;
    options.set_memory_limit(gif::MemoryLimit::Bytes(most));
    let mut decoder = options.read_info(Cursor::new(file)).map_err(damaged)?;
    let (width, height) = (decoder.width(), decoder.height());
    let size = (u32::from(width), u32::from(height));
    if size.0 == 0 || size.1 == 0 {
        return Err(PictureError::Damaged);
    }
    if size.0 > MAX_SIDE || size.1 > MAX_SIDE || u64::from(size.0) * u64::from(size.1) > MAX_PIXELS {
        return Err(PictureError::TooLarge);
    }
    let palette = decoder.global_palette().unwrap_or_default().to_vec();
    let mut content = Vec::new();
    let mut encoder = gif::Encoder::new(&mut content, width, height, &palette).map_err(unwritten)?;
    let (mut frames, mut pixels) = (0, 0);
    while let Some(info) = decoder.next_frame_info().map_err(damaged)? {
        let mut frame = info.clone();
        let size = u64::from(frame.width) * u64::from(frame.height);
        (frames, pixels) = (frames + 1, pixels + size);
        if frames > MAX_FRAMES || pixels > MAX_FRAME_PIXELS {
            return Err(PictureError::TooLarge);
        }
        if size == 0 || frame.palette.is_none() && palette.is_empty() {
            return Err(PictureError::Damaged);
        }
        if frames == 1 {
            // It stands before the first picture.
            encoder.set_repeat(decoder.repeat()).map_err(unwritten)?;
        }
        let mut colours = vec![0; decoder.buffer_size()];
        decoder.read_into_buffer(&mut colours).map_err(damaged)?;
        // They were put into their order as they were read.
        (frame.buffer, frame.interlaced, frame.needs_user_input) = (colours.into(), false, false);
        encoder.write_frame(&frame).map_err(unwritten)?;
    }
    drop(encoder);
    if frames == 0 { Err(PictureError::Damaged) } else { Ok((Media::Gif, size, content)) }
}

fn fault(error: &ImageError) -> PictureError {
    match error {
        ImageError::Limits(_) => PictureError::TooLarge,
        ImageError::Unsupported(_) => PictureError::Kind,
        _ => PictureError::Damaged,
    }
}

#[cfg(test)]
#[path = "pictures_tests.rs"]
mod tests;
