import type { Corners } from './rectangle.js';

/** A line of text in a photo. */
export interface TextLine {
  readonly text: string;
  /** Mean probability of its characters, 0 to 1. */
  readonly confidence: number;
  /**
   * Its four corners, clockwise from the top left one as the line lies in the photo, in pixels of the original as a person
   * sees it (upright, unless `orientation` is `ignore`).
   */
  readonly corners: Corners;
}

/** The text of one photo, in reading order. */
export interface PhotoText {
  readonly lines: readonly TextLine[];
  /** Lines that were looked at, those that could not be read with enough confidence included. */
  readonly read: number;
  /** Lines that were found beyond `maxLinesPerPhoto`. */
  readonly dropped: number;
}
