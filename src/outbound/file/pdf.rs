//! Pages of text as a PDF. Knows no document. The same pages give the same bytes: there is no time, no random id and no compression in them.
//!
//! The font is inside, reduced to the glyphs that a file uses. It has the Latin, Greek and Cyrillic letters. Other characters are shown as a
//! question mark in a box.

use std::collections::BTreeMap;

use pdf_writer::types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap};
use pdf_writer::{Content, Finish, Name, Pdf, Rect, Ref, Str};
use subsetter::GlyphRemapper;
use ttf_parser::Face;
use unicode_normalization::UnicodeNormalization;

const FONT: &[u8] = include_bytes!("font/DejaVuSans.ttf");
/// The six letters say that it is a part of the font.
const FONT_NAME: Name<'_> = Name(b"HEADWR+DejaVuSans");
const FONT_ON_PAGE: Name<'_> = Name(b"F");
const SYSTEM_INFO: SystemInfo<'_> = SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };

/// Units of the PDF in em: widths of glyphs are told in thousandths.
const EM: i64 = 1_000;

/// The width of a page of A4 in tenths of a point, the unit of all lengths here.
pub(super) const PAGE_WIDTH: i16 = 5_953;
/// The height of a page of A4.
pub(super) const PAGE_HEIGHT: i16 = 8_419;
const WIDTH_POINTS: f32 = 595.3;
const HEIGHT_POINTS: f32 = 841.9;
const POINTS_PER_UNIT: f32 = 0.1;

/// The font inside the program cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the font of documents cannot be read")]
pub struct UnusableFont;

/// A character as a file shows it.
#[derive(Debug, Clone, Copy)]
struct Glyph {
    character: char,
    /// In thousandths of an em.
    width: u16,
}

/// See the head of the file.
pub(super) struct Pages {
    face: Face<'static>,
    numbers: GlyphRemapper,
    /// By the number that the glyph has in the file.
    glyphs: BTreeMap<u16, Glyph>,
    pages: Vec<Content>,
}

impl Pages {
    pub(super) fn new() -> Result<Self, UnusableFont> {
        let face = Face::parse(FONT, 0).map_err(|_| UnusableFont)?;
        Ok(Self { face, numbers: GlyphRemapper::new(), glyphs: BTreeMap::new(), pages: Vec::new() })
    }

    /// How many pages there are.
    pub(super) fn count(&self) -> usize {
        self.pages.len()
    }

    /// Begins a page.
    pub(super) fn begin(&mut self) {
        let mut page = Content::new();
        page.transform([POINTS_PER_UNIT, 0.0, 0.0, POINTS_PER_UNIT, 0.0, 0.0]);
        self.pages.push(page);
    }

    /// Writes a line of text on a page. `x` and `y` are its left end and its baseline, from the lower left corner of the page.
    pub(super) fn write(&mut self, page: usize, (x, y): (i16, i16), size: i16, text: &str) {
        let bytes = self.encode(text);
        let Some(page) = self.pages.get_mut(page) else { return };
        page.begin_text().set_font(FONT_ON_PAGE, size.into()).next_line(x.into(), y.into());
        page.show(Str(&bytes)).end_text();
    }

    /// Writes a line of text that ends at `x`.
    pub(super) fn write_to(&mut self, page: usize, (x, y): (i16, i16), size: i16, text: &str) {
        let left = x.saturating_sub(self.width(size, text));
        self.write(page, (left, y), size, text);
    }

    /// Draws a horizontal line across the page between the margins.
    pub(super) fn rule(&mut self, page: usize, (left, right): (i16, i16), y: i16) {
        if let Some(page) = self.pages.get_mut(page) {
            page.set_line_width(5.0).move_to(left.into(), y.into()).line_to(right.into(), y.into()).stroke();
        }
    }

    /// The width of a text.
    pub(super) fn width(&self, size: i16, text: &str) -> i16 {
        let thousandths: i64 = text.nfc().map(|character| i64::from(self.glyph(character).1.width)).sum();
        i16::try_from(thousandths * i64::from(size) / EM).unwrap_or(i16::MAX)
    }

    /// The text in lines that are at most this wide. Words stay whole as far as they fit.
    pub(super) fn wrap(&self, size: i16, width: i16, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for paragraph in text.lines() {
            let mut line = String::new();
            for word in paragraph.split_whitespace() {
                let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
                if self.width(size, &longer) <= width {
                    line = longer;
                    continue;
                }
                if !line.is_empty() {
                    lines.push(std::mem::take(&mut line));
                }
                for character in word.chars() {
                    line.push(character);
                    if self.width(size, &line) > width {
                        line.pop();
                        lines.push(std::mem::take(&mut line));
                        line.push(character);
                    }
                }
            }
            lines.push(line);
        }
        lines
    }

    /// The text, cut to this width.
    pub(super) fn cut(&self, size: i16, width: i16, text: &str) -> String {
        if self.width(size, text) <= width {
            return text.to_owned();
        }
        let mut cut: Vec<char> = text.chars().collect();
        while cut.pop().is_some() {
            let shorter: String = cut.iter().chain(['…'].iter()).collect();
            if self.width(size, &shorter) <= width {
                return shorter;
            }
        }
        String::new()
    }

    /// The glyph of a character in the whole font, or that of the sign for an unknown one.
    fn glyph(&self, character: char) -> (u16, Glyph) {
        let known = |character| Some((self.face.glyph_index(character)?, character));
        let shown = if character.is_control() { ' ' } else { character };
        let found = known(shown).or_else(|| known(char::REPLACEMENT_CHARACTER));
        let Some((id, character)) = found else { return (0, Glyph { character: '?', width: 0 }) };
        let advance = i64::from(self.face.glyph_hor_advance(id).unwrap_or_default());
        let width = advance * EM / i64::from(self.face.units_per_em().max(1));
        (id.0, Glyph { character, width: u16::try_from(width).unwrap_or_default() })
    }

    /// The numbers of the text's glyphs, two bytes each.
    fn encode(&mut self, text: &str) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(2 * text.len());
        for character in text.nfc() {
            let (id, glyph) = self.glyph(character);
            let number = self.numbers.remap(id);
            self.glyphs.insert(number, glyph);
            bytes.extend(number.to_be_bytes());
        }
        bytes
    }

    /// The file.
    pub(super) fn finish(self, title: &str) -> Result<Vec<u8>, UnusableFont> {
        let mut references = (1..).map(Ref::new);
        let mut next = || references.next().ok_or(UnusableFont);
        let (catalog, tree, info, font) = (next()?, next()?, next()?, next()?);
        let mut pdf = Pdf::new();
        pdf.catalog(catalog).pages(tree);
        pdf.document_info(info).title(pdf_writer::TextStr(title));
        let mut kids = Vec::with_capacity(self.pages.len());
        for content in &self.pages {
            let (page, text) = (next()?, next()?);
            kids.push(page);
            let mut writer = pdf.page(page);
            writer.media_box(Rect::new(0.0, 0.0, WIDTH_POINTS, HEIGHT_POINTS)).parent(tree).contents(text);
            writer.resources().fonts().pair(FONT_ON_PAGE, font);
            writer.finish();
            pdf.stream(text, content.as_bytes());
        }
        let count = i32::try_from(kids.len()).unwrap_or(i32::MAX);
        pdf.pages(tree).kids(kids).count(count);
        let font = FontReferences { font, of_glyphs: next()?, descriptor: next()?, unicode: next()?, file: next()? };
        self.write_font(&mut pdf, &font)?;
        Ok(pdf.finish())
    }

    fn write_font(&self, pdf: &mut Pdf, references: &FontReferences) -> Result<(), UnusableFont> {
        let FontReferences { font, of_glyphs, descriptor, unicode, file } = *references;
        let part = subsetter::subset(FONT, 0, &self.numbers).map_err(|_| UnusableFont)?;
        pdf.type0_font(font)
            .base_font(FONT_NAME)
            .encoding_predefined(Name(b"Identity-H"))
            .descendant_font(of_glyphs)
            .to_unicode(unicode);
        let mut writer = pdf.cid_font(of_glyphs);
        writer.subtype(CidFontType::Type2).base_font(FONT_NAME).system_info(SYSTEM_INFO);
        writer.font_descriptor(descriptor).default_width(0.0).cid_to_gid_map_predefined(Name(b"Identity"));
        let mut widths = writer.widths();
        for (number, glyph) in &self.glyphs {
            widths.consecutive(*number, [f32::from(glyph.width)]);
        }
        widths.finish();
        writer.finish();
        let units = i64::from(self.face.units_per_em().max(1));
        let scaled = |length: i16| f32::from(i16::try_from(i64::from(length) * EM / units).unwrap_or_default());
        let bounds = self.face.global_bounding_box();
        let [left, low, right, high] = [bounds.x_min, bounds.y_min, bounds.x_max, bounds.y_max].map(scaled);
        let mut writer = pdf.font_descriptor(descriptor);
        writer.name(FONT_NAME).flags(FontFlags::SYMBOLIC).bbox(Rect::new(left, low, right, high)).italic_angle(0.0);
        writer.ascent(scaled(self.face.ascender())).descent(scaled(self.face.descender()));
        writer.cap_height(scaled(self.face.capital_height().unwrap_or_default())).stem_v(80.0).font_file2(file);
        writer.finish();
        let mut characters = UnicodeCmap::new(Name(b"Headwater"), SYSTEM_INFO);
        for (number, glyph) in &self.glyphs {
            characters.pair(*number, glyph.character);
        }
        pdf.cmap(unicode, &characters.finish());
        pdf.stream(file, &part).pair(Name(b"Length1"), i32::try_from(part.len()).unwrap_or(i32::MAX));
        Ok(())
    }
}

/// The objects that a font is made of.
#[derive(Clone, Copy)]
struct FontReferences {
    font: Ref,
    of_glyphs: Ref,
    descriptor: Ref,
    unicode: Ref,
    file: Ref,
}
