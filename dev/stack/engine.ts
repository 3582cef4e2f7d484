/**
 * What a program that runs containers needs. It runs behind a keeper (containers.ts), so that it is told to stop however its
 * starter ends, and then removes what it has started. Where testcontainers' own reaper can be had, that one looks after it, too.
 */
import { rename, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ContainerRuntimeClient, GenericContainer, getContainerRuntimeClient, getReaper } from 'testcontainers'

import { wordsOf } from './command.ts'

const LABEL = 'sluice.run'
/** The images are fetched before this runs; a guess with room. */
const STARTUP_WITHIN_MS = 120_000
const REMOVAL_WITHIN_MS = 15_000
const LOOK_EVERY_MS = 300
const QUIET_LOOKS_MIN = 5

const run = crypto.randomUUID()

/** The client that all containers of this process share, with the host by which their published ports are reached. */
export async function engineClient(): Promise<{ client: ContainerRuntimeClient; host: string }> {
  const client = await getContainerRuntimeClient().catch((cause: unknown) => {
    throw new Error('no container engine answers: start Docker, or say in DOCKER_HOST where it listens', { cause })
  })
  const { containerRuntime } = client.info
  // The name may mean ::1, where published ports need not listen; and what a broker advertises comes from here.
  if (containerRuntime.host === 'localhost') containerRuntime.host = '127.0.0.1'
  return { client, host: containerRuntime.host }
}

/** A container's ports, where the engine is this machine: on 127.0.0.1 only, not on every address of the machine. */
export async function publishPrivately({ PortBindings = {} }: { PortBindings?: unknown }): Promise<void> {
  const { host } = await engineClient()
  if (host !== '127.0.0.1') return
  // Boundary: dockerode has no types for the bindings; they are what withExposedPorts has put there.
  const bindings = Object.values(PortBindings as Record<string, { HostIp?: string }[]>)
  for (const binding of bindings.flat()) binding.HostIp = host
}

export class PrivateContainer extends GenericContainer {
  protected override beforeContainerCreated(): Promise<void> {
    return publishPrivately(this.hostConfig)
  }
}

/** So that it is found again when it is to be removed. */
export function labelled<Container extends GenericContainer>(container: Container): Container {
  return container.withLabels({ [LABEL]: run }).withStartupTimeout(STARTUP_WITHIN_MS)
}

/**
 * Starts them, writes what `start` answers to up.json in the working folder, and keeps them until SIGTERM. `start` settles when
 * nothing of what it has begun is on its way any more.
 */
export async function runContainers(start: (host: string) => Promise<unknown>): Promise<void> {
  const { client, host } = await engineClient().catch((error: unknown) => {
    console.error(wordsOf(error))
    return process.exit(1)
  })
  // The reaper removes the containers should this process be killed outright. Where its image cannot be had, the keeper remains.
  await getReaper(client).catch((error: unknown) => {
    console.error(`without a reaper: ${wordsOf(error)}`)
    process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true'
  })
  const starting = start(host)
  let stopping = false
  const stop = async (code: number) => {
    stopping = true
    await removeAll(client, starting)
    process.exit(code)
  }
  process.once('SIGTERM', () => void stop(0))
  try {
    await writeFile('up.json.part', JSON.stringify(await starting))
    await rename('up.json.part', 'up.json')
  } catch (error) {
    console.error(wordsOf(error))
    if (!stopping) await stop(1)
  }
  // Nothing else keeps this process alive until it is told to stop.
  setInterval(() => undefined, 60_000)
}

/**
 * A container may be on its way while the others are removed: looks again until nothing is being started any more, or none has
 * turned up for a while (an image that is still being fetched has no container, and gets none once we are gone).
 */
async function removeAll(client: ContainerRuntimeClient, starting: Promise<unknown>): Promise<void> {
  const settled = Promise.allSettled([starting]).then(() => true)
  const deadline = performance.now() + REMOVAL_WITHIN_MS
  for (let quiet = 0; quiet < QUIET_LOOKS_MIN && performance.now() < deadline; ) {
    quiet = (await removeThoseThere(client)) === 0 ? quiet + 1 : 0
    if ((await Promise.race([settled, sleep(LOOK_EVERY_MS, false)])) && quiet > 0) break
  }
}

async function removeThoseThere(client: ContainerRuntimeClient): Promise<number> {
  const { dockerode } = client.container
  const containers = await dockerode.listContainers({ all: true, filters: { label: [`${LABEL}=${run}`] } })
  await Promise.all(
    containers.map(({ Id }) =>
      dockerode
        .getContainer(Id)
        .remove({ force: true, v: true })
        .catch((error: unknown) => console.error(String(error))),
    ),
  )
  return containers.length
}
