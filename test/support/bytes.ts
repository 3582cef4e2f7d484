/** Texts as bytes, and bytes as texts that can be compared. */
export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** Null and undefined stay what they are. */
export function hex(content: Uint8Array | null | undefined): string | null | undefined {
  return content === null || content === undefined ? content : Buffer.from(content).toString('hex')
}
