/**
 * Every property file begins with `seedOf(its name)`: a fresh seed, or the one in SLUICE_SEED, printed so that a run can be
 * repeated. On a failure fast-check prints the path to the shrunk case as well.
 */
export function seedOf(file: string): number {
  const given = process.env['SLUICE_SEED']
  const seed = given === undefined || given === '' ? Math.floor(Math.random() * 0x7fff_ffff) : Number(given)
  if (!Number.isSafeInteger(seed)) throw new RangeError(`SLUICE_SEED must be an integer, not ${given}`)
  console.info(`${file}: seed ${seed}; SLUICE_SEED=${seed} repeats this run`)
  return seed
}

/** Numbers in [0, 1) that a seed repeats. Source: mulberry32, T. Ettinger, public domain. */
export function randomOf(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
}
