//! Pictures as people send them, and files that only say they are pictures.

use image::codecs::gif::GifEncoder;
use image::{Delay, Frame, Rgb, RgbImage, Rgba, RgbaImage};

use super::*;

/// Red on the left, blue on the right, a little of the way seen through if wanted.
fn sample(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, _| if x * 2 < width { Rgb([250, 5, 5]) } else { Rgb([5, 5, 250]) })
}

fn written(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn read(made: &Made) -> DynamicImage {
    image::load_from_memory(&made.content).unwrap()
}

/// A JPEG with a block of EXIF behind its beginning: which way it is held, and where it was taken.
fn with_exif(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    exif.extend(b"GPS 56.9496 N 24.1052 E secret-place");
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &exif, &jpeg[2..]].concat()
}

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(kind);
    crc.update(data);
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    [&length[..], kind, data, &crc.sum().to_be_bytes()].concat()
}

/// A PNG that says it is so large.
fn claiming(width: u32, height: u32) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 6, 0, 0, 0]].concat();
    let mut deflated = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut deflated, &vec![0; 1 << 20]).unwrap();
    let parts = [chunk(b"IHDR", &header), chunk(b"IDAT", &deflated.finish().unwrap()), chunk(b"IEND", b"")];
    [b"\x89PNG\r\n\x1a\n".to_vec(), parts.concat()].concat()
}

#[test]
fn each_kind_is_known_by_its_bytes_and_comes_out_as_the_same_picture() {
    for (format, media) in [
        (ImageFormat::Png, Media::Png),
        (ImageFormat::Jpeg, Media::Jpeg),
        (ImageFormat::Gif, Media::Gif),
        (ImageFormat::WebP, Media::Jpeg),
    ] {
        let made = make(&written(sample(40, 20), format)).unwrap();
        assert_eq!((made.upload.media, made.upload.width, made.upload.height), (media, 40, 20), "{format:?}");
        assert_eq!(made.upload.hash.0[..], Sha256::digest(&made.content)[..]);
        let shown = read(&made).into_rgb8();
        assert!(shown.get_pixel(2, 10).0[0] > 200 && shown.get_pixel(37, 10).0[2] > 200, "{format:?}");
        let again = make(&made.content).unwrap();
        assert_eq!(again.upload.media, media, "what was made is a picture too");
    }
}

#[test]
fn what_shows_through_goes_on_showing_through() {
    let glass = RgbaImage::from_pixel(8, 8, Rgba([10, 200, 10, 100]));
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        let made = make(&written(glass.clone(), format)).unwrap();
        assert_eq!(made.upload.media, Media::Png, "{format:?}");
        assert_eq!(read(&made).into_rgba8().get_pixel(3, 3).0, [10, 200, 10, 100], "{format:?}");
    }
    let wall = RgbaImage::from_pixel(8, 8, Rgba([10, 200, 10, 255]));
    let made = make(&written(wall, ImageFormat::Png)).unwrap();
    assert!(!read(&made).color().has_alpha(), "nothing shows through: nothing is kept for it");
    let deep = image::ImageBuffer::<image::Luma<u16>, _>::from_pixel(8, 8, image::Luma([40_000]));
    assert_eq!(read(&make(&written(deep, ImageFormat::Png)).unwrap()).color(), image::ColorType::L8);
}

#[test]
fn a_picture_is_held_the_right_way_and_nothing_else_is_left_of_its_file() {
    let jpeg = with_exif(&written(sample(40, 20), ImageFormat::Jpeg), 6);
    assert!(memchr::memmem::find(&jpeg, b"secret-place").is_some());
    let made = make(&jpeg).unwrap();
    assert_eq!((made.upload.width, made.upload.height), (20, 40), "a quarter turn");
    let shown = read(&made).into_rgb8();
    assert!(shown.get_pixel(10, 2).0[0] > 200 && shown.get_pixel(10, 37).0[2] > 200, "red is on top");
    let mut png = written(sample(8, 8), ImageFormat::Png);
    let at = png.len() - 12;
    let tail = png.split_off(at);
    png.extend(chunk(b"tEXt", b"Comment\0secret-place"));
    png.extend(chunk(b"eXIf", b"II*\0secret-place"));
    png.extend(tail);
    // What stands behind the end is what makes a picture a program, an archive or a page as well.
    png.extend(b"PK\x03\x04 <script>alert(1)</script> <?php secret-place ?>");
    let mut gif = written(sample(8, 8), ImageFormat::Gif);
    let end = gif.len() - 1;
    gif.splice(end..end, *b"\x21\xfe\x0csecret-place\0");
    gif.extend(b"<script>secret-place</script>");
    for file in [jpeg, png, gif] {
        let made = make(&file).unwrap();
        for gone in [&b"secret"[..], b"Exif", b"eXIf", b"GPS", b"tEXt", b"<script", b"<?php", b"PK\x03\x04"] {
            assert!(memchr::memmem::find(&made.content, gone).is_none(), "{:?}", made.upload.media);
        }
    }
}

#[test]
fn an_animation_goes_on_moving_as_it_did() {
    let mut file = Vec::new();
    {
        let mut encoder = GifEncoder::new(&mut file);
        encoder.set_repeat(image::codecs::gif::Repeat::Finite(3)).unwrap();
        for colour in [[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255]] {
            let picture = RgbaImage::from_pixel(12, 6, Rgba(colour));
            let frame = Frame::from_parts(picture, 0, 0, Delay::from_numer_denom_ms(120, 1));
            encoder.encode_frame(frame).unwrap();
        }
    }
    let made = make(&file).unwrap();
    assert_eq!((made.upload.media, made.upload.width, made.upload.height), (Media::Gif, 12, 6));
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    let mut decoder = options.read_info(Cursor::new(&made.content)).unwrap();
    let (mut colours, mut delays) = (Vec::new(), Vec::new());
    while let Some(frame) = decoder.read_next_frame().unwrap() {
        colours.push(<[u8; 3]>::try_from(&frame.buffer[..3]).unwrap());
        delays.push(frame.delay);
    }
    assert_eq!((colours.len(), delays), (3, vec![12; 3]));
    assert!(colours[0][0] > 200 && colours[1][1] > 200 && colours[2][2] > 200, "{colours:?}");
    assert_eq!(decoder.repeat(), gif::Repeat::Finite(3));
}

#[test]
fn what_is_no_picture_is_refused_whatever_it_says() {
    let png = written(sample(8, 8), ImageFormat::Png);
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>".to_vec();
    let page = b"<!DOCTYPE html><script>alert(1)</script>".to_vec();
    let bitmap = [&b"BM\x36\x03\0\0"[..], &[0; 60]].concat();
    for (name, file) in
        [("svg", svg), ("page", page), ("bitmap", bitmap), ("nothing", vec![]), ("text", vec![b'x'; 99])]
    {
        assert_eq!(make(&file).unwrap_err(), PictureError::Kind, "{name}");
    }
    // A page that begins like a picture is damaged, not shown.
    let posing = [&png[..8], b"<script>alert(1)</script>"].concat();
    assert_eq!(make(&posing).unwrap_err(), PictureError::Damaged);
    let posing = b"GIF89a/*<svg/onload=alert(1)>*/=0;alert(1)//".to_vec();
    assert!(make(&posing).is_err());
}

#[test]
fn damaged_pictures_are_refused_and_never_a_panic() {
    let mut seed = 0x2545_F491_4F6C_DD1D_u64;
    let mut dice = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 11) as usize % below
    };
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP] {
        let whole = written(sample(30, 30), format);
        for cut in (0..whole.len()).step_by(1 + whole.len() / 60) {
            // Readers of JPEG show what came; all others say that it ended early, unless only its end mark is missing.
            if let Ok(made) = make(&whole[..cut]) {
                let is_whole = format != ImageFormat::Jpeg;
                assert!(!is_whole || read(&made) == read(&make(&whole).unwrap()), "{format:?} {cut}");
            }
        }
        for _ in 0..300 {
            let mut noisy = whole.clone();
            for _ in 0..=dice(6) {
                let at = dice(noisy.len());
                noisy[at] = dice(256) as u8;
            }
            if let Ok(made) = make(&noisy) {
                assert!(made.content.len() <= MAX_STORED_BYTES);
            }
        }
    }
}

#[test]
fn what_says_it_is_huge_is_refused_before_it_takes_memory() {
    for (width, height) in [(100_000, 100_000), (16_001, 1), (6_000, 6_000), (u32::MAX, u32::MAX), (0, 5)] {
        let said = make(&claiming(width, height)).unwrap_err();
        assert!(matches!(said, PictureError::TooLarge | PictureError::Damaged), "{width} {height} {said:?}");
    }
    // A megabyte of nothing where a row was promised: what came is all there is.
    assert!(make(&claiming(5_000, 5_000)).is_err());
    // Few bytes, many pictures.
    let mut frames = Vec::new();
    {
        let mut encoder = gif::Encoder::new(&mut frames, 2_000, 2_000, &[0, 0, 0, 255, 255, 255]).unwrap();
        let frame = gif::Frame {
            width: 2_000,
            height: 2_000,
            buffer: vec![0; 4_000_000].into(),
            ..Default::default()
        };
        for _ in 0..=MAX_FRAME_PIXELS / 4_000_000 {
            encoder.write_frame(&frame).unwrap();
        }
    }
    assert!(frames.len() < 3_000_000, "{} bytes", frames.len());
    assert_eq!(make(&frames).unwrap_err(), PictureError::TooLarge);
}

#[test]
fn a_colour_profile_that_unpacks_without_end_is_not_unpacked() {
    let mut profile = flate2::write::ZlibEncoder::new(b"bomb\0\0".to_vec(), flate2::Compression::best());
    for _ in 0..64 {
        std::io::Write::write_all(&mut profile, &vec![0; 1 << 20]).unwrap();
    }
    let profile = chunk(b"iCCP", &profile.finish().unwrap());
    let plain = written(sample(4, 4), ImageFormat::Png);
    // Behind the signature and IHDR.
    let (head, rest) = plain.split_at(8 + 12 + 13);
    let bomb = [head, &profile, rest].concat();
    assert_eq!(bare_png(&bomb), plain);
    assert_eq!(make(&bomb).unwrap().content, make(&plain).unwrap().content);
    // What is no chunk is left as it is, for the reader to refuse.
    for cut in [0, 5, 8, 11, 15, 20] {
        assert!(make(&bomb[..cut]).is_err(), "{cut}");
    }
}
