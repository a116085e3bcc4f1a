/** What the first bytes of a file say it is; names and extensions are not looked at. */
type SniffedKind = DecodableKind | 'other';

/** Kinds that are handed to a decoder. Whether HEIC then opens depends on the libvips that sharp was built with. */
export type DecodableKind = 'jpeg' | 'png' | 'webp' | 'gif' | 'avif' | 'heic';

export interface Sniffed {
  readonly kind: SniffedKind;
  /** For messages: "a PDF", "text". */
  readonly name: string;
}

interface Signature {
  readonly offset?: number;
  /** One character per byte. */
  readonly bytes: string;
  readonly name: string;
}

const DECODABLE: readonly (Signature & { readonly kind: DecodableKind })[] = [
  { kind: 'jpeg', bytes: '\xff\xd8\xff', name: 'a JPEG' },
  { kind: 'png', bytes: '\x89PNG\r\n\x1a\n', name: 'a PNG' },
  { kind: 'gif', bytes: 'GIF87a', name: 'a GIF' },
  { kind: 'gif', bytes: 'GIF89a', name: 'a GIF' },
];

const OTHERS: readonly Signature[] = [
  { bytes: 'II*\0', name: 'a TIFF or camera raw file' },
  { bytes: 'MM\0*', name: 'a TIFF or camera raw file' },
  { bytes: 'II+\0', name: 'a BigTIFF' },
  { bytes: 'MM\0+', name: 'a BigTIFF' },
  { bytes: 'BM', name: 'a BMP' },
  { bytes: '%PDF', name: 'a PDF' },
  { bytes: '%!PS', name: 'PostScript' },
  { bytes: '8BPS', name: 'a Photoshop file' },
  { bytes: '\xff\x0a', name: 'a JPEG XL' },
  { bytes: '\0\0\0\x0cJXL ', name: 'a JPEG XL' },
  { bytes: '\0\0\0\x0cjP  ', name: 'a JPEG 2000' },
  { bytes: '\xff\x4f\xff\x51', name: 'a JPEG 2000' },
  { bytes: 'PK\x03\x04', name: 'a ZIP archive' },
  { bytes: '\x1f\x8b', name: 'a gzip file' },
  { bytes: 'Rar!', name: 'a RAR archive' },
  { bytes: '7z\xbc\xaf', name: 'a 7-Zip archive' },
  { bytes: '\x7fELF', name: 'a program' },
  { bytes: 'MZ', name: 'a program' },
  { bytes: '\x1a\x45\xdf\xa3', name: 'a Matroska or WebM video' },
  { bytes: 'fLaC', name: 'audio' },
  { bytes: 'ID3', name: 'audio' },
  { bytes: 'OggS', name: 'audio' },
  { bytes: '\x76\x2f\x31\x01', name: 'an OpenEXR picture' },
];

const AVIF_BRANDS = ['avif', 'avis'];
const HEIC_BRANDS = ['heic', 'heix', 'heim', 'heis', 'hevc', 'hevx', 'hevm', 'hevs'];
const TEXT_BYTES = 1024;

/** Says what a file is. Reads at most its first kilobyte. */
export function sniff(bytes: Uint8Array): Sniffed {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, TEXT_BYTES)).toString('latin1');
  const known = DECODABLE.find((signature) => head.startsWith(signature.bytes));
  if (known !== undefined) return known;
  if (head.startsWith('RIFF')) return sniffRiff(head);
  if (head.startsWith('ftyp', 4)) return sniffIsoMedia(head);
  const other = OTHERS.find((signature) => head.startsWith(signature.bytes, signature.offset));
  return { kind: 'other', name: other?.name ?? sniffText(head) };
}

function sniffRiff(head: string): Sniffed {
  if (head.startsWith('WEBP', 8)) return { kind: 'webp', name: 'a WebP' };
  return { kind: 'other', name: 'a video or audio file' };
}

/** AVIF, HEIC and MP4 are one container; the brands (the main one first, then the compatible ones) tell them apart. */
function sniffIsoMedia(head: string): Sniffed {
  const boxLength = Buffer.from(head.slice(0, 4), 'latin1').readUInt32BE();
  const brands = head.slice(8, Math.min(boxLength, head.length)).match(/.{4}/gs) ?? [];
  const hasOf = (list: readonly string[]): boolean => brands.some((brand) => list.includes(brand));
  if (hasOf(AVIF_BRANDS)) return { kind: 'avif', name: 'an AVIF' };
  if (hasOf(HEIC_BRANDS) || brands[0] === 'mif1') return { kind: 'heic', name: 'a HEIC' };
  return { kind: 'other', name: 'a video' };
}

function sniffText(head: string): string {
  const text = head.replace(/^(?:\xef\xbb\xbf)?\s*/, '').toLowerCase();
  if (/<svg[\s>]/.test(text) || text.includes('<!doctype svg')) return 'an SVG';
  if (text.startsWith('<!doctype html') || text.startsWith('<html'))
    return 'HTML, perhaps an error page that was saved as a picture';
  if (text.startsWith('<?xml')) return 'XML';
  // Control characters are what tells data from text.
  return /[\0-\x08\x0e-\x1a\x7f]/.test(head) ? 'data of an unknown kind' : 'text';
}
