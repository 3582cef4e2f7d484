/**
 * Shows on a container engine that the image and the stack do what they promise: builds, starts, sends, stops a replica under
 * load, scales, removes. Minutes; it changes nothing in the checkout and leaves nothing in Docker but its build cache.
 *
 *   node dev/ship/prove.ts [image|stack]       (on Node 24; with Docker on this machine, since the stack is asked on 127.0.0.1)
 *
 * Exit codes: 0 every fact holds, 1 one does not, 2 no engine with compose on this machine, 64 wrong arguments, 130 stopped.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { onStopRequest } from '../asked-to-stop.ts'
import { proveStack } from './compose.ts'
import { copyCheckout } from './copy.ts'
import { Docker } from './docker.ts'
import { Facts } from './facts.ts'
import { imageOf, labelOf, proveImage } from './image.ts'
import { Stack, stackEnvironment } from './stack.ts'

const EXIT = { proved: 0, failed: 1, noEngine: 2, usage: 64, stopped: 130 } as const
const PARTS = ['image', 'stack'] as const

/** What answers, in words; undefined where there is no engine or no compose. */
async function versionsOf(docker: Docker): Promise<string | undefined> {
  try {
    const engine = await docker.must(['version', '--format', '{{.Server.Version}}'])
    const compose = await docker.must(['compose', 'version', '--short'])
    return `Docker ${engine}, Compose ${compose}, Node ${process.version}`
  } catch {
    // Why is of no use here: each of the ways to have none says it in another way.
    return undefined
  }
}

/** Everything that may still be there, however far it came. */
async function cleanUp(env: Record<string, string>, { run, folder }: { run: string; folder: string }): Promise<void> {
  // The other one may have been stopped.
  const docker = new Docker({ ...process.env, ...env })
  await new Stack(docker, join(folder, 'checkout'), env).remove()
  const left = await docker.run(['ps', '--all', '--quiet', '--filter', `label=${labelOf(run)}`])
  const ids = left.out.split('\n').filter(id => id !== '')
  if (ids.length > 0) await docker.run(['rm', '--force', '--volumes', ...ids])
  await docker.run(['image', 'rm', '--force', imageOf(run)])
  await rm(folder, { recursive: true, force: true })
}

async function prove(docker: Docker, stack: Stack, given: { run: string; folder: string; parts: readonly string[] }) {
  const { run, folder, parts } = given
  const [checkout, scratch] = [join(folder, 'checkout'), join(folder, 'scratch')]
  const facts = new Facts()
  if (parts.includes('image')) await proveImage({ docker, facts, checkout, scratch, run })
  if (parts.includes('stack')) await proveStack({ docker, facts, stack, checkout })
  return facts
}

async function main(): Promise<number> {
  const parts = process.argv.slice(2)
  if (parts.some(part => !PARTS.some(known => known === part))) {
    console.error(`usage: node dev/ship/prove.ts [${PARTS.join('|')}]`)
    return EXIT.usage
  }
  const run = Date.now().toString(36)
  const env = await stackEnvironment(run)
  const docker = new Docker({ ...process.env, ...env })
  const versions = await versionsOf(docker)
  if (versions === undefined) {
    console.error(
      'no Docker engine with compose answers here (DOCKER_HOST, or the usual socket): nothing can be proved',
    )
    return EXIT.noEngine
  }
  const folder = await mkdtemp(join(tmpdir(), 'sluice-prove-'))
  await Promise.all(['checkout', 'scratch'].map(name => mkdir(join(folder, name))))
  await copyCheckout(join(folder, 'checkout'))
  const stack = new Stack(docker, join(folder, 'checkout'), env)
  const asked = Promise.withResolvers<undefined>()
  onStopRequest((what, times) => {
    if (times > 1) process.exit(EXIT.stopped)
    console.error(`stopping (${what}): removing what was started; once more to leave it there`)
    docker.stop()
    asked.resolve(undefined)
  })
  try {
    const proving = prove(docker, stack, { run, folder, parts: parts.length === 0 ? PARTS : parts })
    const facts = await Promise.race([proving, asked.promise])
    if (facts === undefined) return EXIT.stopped
    facts.sum(versions)
    return facts.failed === 0 ? EXIT.proved : EXIT.failed
  } catch (error) {
    console.error(`\n${error instanceof Error ? error.message : String(error)}`)
    return EXIT.failed
  } finally {
    await cleanUp(env, { run, folder })
  }
}

process.exit(await main())
