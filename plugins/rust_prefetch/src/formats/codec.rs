//! Decompressors that a thread keeps, each of which writes straight to where the bytes belong.

use std::fmt;

use libdeflater::Decompressor;
use lz4_sys::{
    LZ4F_createDecompressionContext, LZ4F_decompress, LZ4F_freeDecompressionContext, LZ4F_isError,
    LZ4FDecompressOptions, LZ4FDecompressionContext,
};
use zstd_safe::DCtx;

/// The decompressors of one thread, made when they are first needed.
#[derive(Default)]
pub struct Codecs {
    lz4: Option<Lz4>,
    zstd: Option<DCtx<'static>>,
    zlib: Option<Decompressor>,
}

/// Why bytes cannot be unpacked.
#[derive(Debug, PartialEq, Eq)]
pub struct Corrupt(pub String);

impl fmt::Display for Corrupt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Codecs {
    /// Unpack an LZ4 frame that holds exactly `to.len()` bytes.
    ///
    /// # Errors
    /// It is none, or holds another number of bytes.
    pub fn lz4(&mut self, from: &[u8], to: &mut [u8]) -> Result<(), Corrupt> {
        if self.lz4.is_none() {
            self.lz4 = Some(Lz4::new()?);
        }
        let Some(lz4) = self.lz4.as_mut() else {
            return Ok(());
        };
        let result = lz4.unpack(from, to);
        if result.is_err() {
            // What a failed frame leaves behind is nobody's business.
            self.lz4 = None;
        }
        result
    }

    /// Unpack a zstd frame that holds exactly `to.len()` bytes.
    ///
    /// # Errors
    /// It is none, or holds another number of bytes.
    pub fn zstd(&mut self, from: &[u8], to: &mut [u8]) -> Result<(), Corrupt> {
        let zstd = self.zstd.get_or_insert_with(DCtx::create);
        let found = zstd.decompress(to, from);
        let found = found.map_err(|code| Corrupt(format!("zstd: {}", zstd_safe::get_error_name(code))))?;
        demand(found, to.len())
    }

    /// Unpack a zlib stream that holds exactly `to.len()` bytes.
    ///
    /// # Errors
    /// It is none, or holds another number of bytes.
    pub fn zlib(&mut self, from: &[u8], to: &mut [u8]) -> Result<(), Corrupt> {
        let zlib = self.zlib.get_or_insert_with(Decompressor::new);
        let found = zlib.zlib_decompress(from, to);
        let found = found.map_err(|error| Corrupt(format!("gzip: {error}")))?;
        demand(found, to.len())
    }
}

fn demand(found: usize, wanted: usize) -> Result<(), Corrupt> {
    let wrong = || Corrupt(format!("unpacks to {found} bytes instead of {wanted}"));
    if found == wanted { Ok(()) } else { Err(wrong()) }
}

/// liblz4's frame decoder.
struct Lz4(LZ4FDecompressionContext);

// SAFETY: a context belongs to no thread; `&mut self` keeps two threads from using it at once.
unsafe impl Send for Lz4 {}

const LZ4F_VERSION: u32 = 100;

impl Lz4 {
    fn new() -> Result<Self, Corrupt> {
        let mut context = LZ4FDecompressionContext(std::ptr::null_mut());
        // SAFETY: the call writes a context to the place it is given, or says that it cannot.
        let code = unsafe { LZ4F_createDecompressionContext(&mut context, LZ4F_VERSION) };
        // SAFETY: any code may be asked about.
        if unsafe { LZ4F_isError(code) } != 0 {
            return Err(Corrupt("lz4: no memory for a decoder".to_owned()));
        }
        Ok(Self(context))
    }

    fn unpack(&mut self, mut from: &[u8], to: &mut [u8]) -> Result<(), Corrupt> {
        // All of `to` stays in place, so that the decoder need not keep a history of its own.
        let options = LZ4FDecompressOptions { stable_dst: 1, reserved: [0; 3] };
        let mut made = 0;
        loop {
            let (mut read, mut written) = (from.len(), to.len() - made);
            let rest = &mut to[made..];
            // SAFETY: both pointers come with the lengths of their slices, and the context is a living one.
            let hint = unsafe {
                LZ4F_decompress(self.0, rest.as_mut_ptr(), &mut written, from.as_ptr(), &mut read, &raw const options)
            };
            // SAFETY: any code may be asked about.
            if unsafe { LZ4F_isError(hint) } != 0 {
                return Err(Corrupt("lz4: not a frame, or a damaged one".to_owned()));
            }
            made += written;
            from = &from[read..];
            if hint == 0 {
                return demand(made, to.len());
            }
            if read == 0 && written == 0 {
                return Err(Corrupt(format!("lz4: ends after {made} bytes of {}, or holds more", to.len())));
            }
        }
    }
}

impl Drop for Lz4 {
    fn drop(&mut self) {
        // SAFETY: `new` made the context, and nobody uses it any more.
        unsafe { LZ4F_freeDecompressionContext(self.0) };
    }
}
