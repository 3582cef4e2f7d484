/** The parts in containers, where there is an engine: containers-up.ts, behind a keeper. */
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { exists } from './cache.ts'
import { type Kept, keep } from './keep.ts'
import type { Parts, RunningParts, Say } from './parts.ts'
import { bringUp } from './ready.ts'

/** The first time, the images are fetched. A guess with room. */
export const CONTAINERS_UP_WITHIN_MS = 15 * 60 * 1_000
/** Removing three containers; the broker is stopped hard. */
const REMOVED_WITHIN_MS = 30_000

/** Whether it is worth a look: an engine says where it is, or listens in one of the usual places. */
export async function engineInSight(): Promise<boolean> {
  if (process.env['DOCKER_HOST'] || process.env['TESTCONTAINERS_HOST_OVERRIDE']) return true
  const runtime = process.env['XDG_RUNTIME_DIR']
  const places = [
    '/var/run/docker.sock',
    ...(runtime ? [join(runtime, 'docker.sock'), join(runtime, '.docker', 'run', 'docker.sock')] : []),
    join(homedir(), '.docker', 'run', 'docker.sock'),
    join(homedir(), '.docker', 'desktop', 'docker.sock'),
    join(homedir(), '.testcontainers.properties'),
  ]
  return (await Promise.all(places.map(exists))).some(Boolean)
}

/** A program that runs containers (engine.ts), behind a keeper. It writes to up.json what it has started. */
export function keepContainers(
  name: string,
  { program, files = {} }: { program: URL; files?: Record<string, string> },
): Promise<Kept> {
  return keep({
    name,
    files,
    main: { command: process.execPath, args: [fileURLToPath(program)] },
    graceMs: REMOVED_WITHIN_MS,
    orphanGraceMs: REMOVED_WITHIN_MS,
  })
}

/** Rejects until it has written it. */
export async function whatIsUp(kept: Kept): Promise<unknown> {
  return JSON.parse(await readFile(join(kept.folder, 'up.json'), 'utf8'))
}

export async function startContainers(say: Say): Promise<RunningParts> {
  say('starting containers with testcontainers (the first time, images are fetched)')
  const address: { parts: Parts | undefined } = { parts: undefined }
  const { kept } = await bringUp({ name: 'the containers', readyWithinMs: CONTAINERS_UP_WITHIN_MS }, async () => {
    const kept = await keepContainers('containers', { program: new URL('containers-up.ts', import.meta.url) })
    const answers = async () => {
      // Boundary: containers-up.ts writes exactly this type; both ends are of one checkout.
      address.parts = (await whatIsUp(kept)) as Parts
    }
    return { address, kept, answers }
  })
  const { parts } = address
  if (parts === undefined) throw new Error('the containers are up and have no addresses')
  const broken = kept.ended.then(
    ({ code, signal, reason }) => `the containers' keeper ended (${reason ?? signal ?? code})`,
  )
  return { ...parts, way: 'containers', stop: kept.stop, broken }
}
