import { describe, expect, test } from 'vitest'
import { Standing } from '../../src/core/standing.ts'

const SESSION_MS = 30_000

function member(nowMs = 0): Standing {
  const standing = new Standing(SESSION_MS)
  standing.joined()
  standing.confirmed(nowMs)
  return standing
}

describe('membership', () => {
  test('begins with a join: before it nothing is started or committed', () => {
    const standing = new Standing(SESSION_MS)
    expect([standing.isMember, standing.mayCommit]).toEqual([false, false])
    expect(standing.whyStill(0)).toBe('waiting to join the group')
    standing.joined()
    expect([standing.isMember, standing.mayCommit, standing.whyStill(0)]).toEqual([true, true, null])
  })

  test('a commit, a heartbeat or a silence before the first join makes nobody a member', () => {
    const standing = new Standing(SESSION_MS)
    standing.confirmed(5)
    standing.fenced()
    expect(standing.isMember).toBe(false)
    expect(standing.whyStill(1e9)).toBe('waiting to join the group')
  })

  test('ends with the loss of it all, until the next join', () => {
    const standing = member()
    standing.lost()
    expect([standing.isMember, standing.mayCommit]).toEqual([false, false])
    standing.joined()
    expect(standing.whyStill(1)).toBeNull()
  })
})

describe('a coordinator that does not know us', () => {
  test('stops starts and commits until the next join, whatever it confirms meanwhile', () => {
    const standing = member()
    standing.fenced()
    standing.confirmed(1)
    expect([standing.isMember, standing.mayCommit]).toEqual([true, false])
    expect(standing.whyStill(1)).toMatch(/^fenced: the coordinator does not know this member/)
    standing.joined()
    expect([standing.mayCommit, standing.whyStill(2)]).toEqual([true, null])
  })
})

describe('silence', () => {
  test('of a whole session stops starts, not commits: one that is taken is an answer', () => {
    const standing = member(1_000)
    expect(standing.whyStill(30_999)).toBeNull()
    expect(standing.whyStill(31_000)).toBe(
      'fenced: the coordinator has been silent for 30 s; another member may own what we hold',
    )
    expect(standing.mayCommit).toBe(true)
    standing.confirmed(40_000)
    expect(standing.whyStill(69_999)).toBeNull()
    expect(standing.whyStill(70_000)).not.toBeNull()
  })

  test('is not ended by a join alone: its answer may have lain here for long', () => {
    const standing = member()
    standing.joined()
    expect(standing.whyStill(30_000)).not.toBeNull()
    standing.confirmed(29_000)
    expect(standing.whyStill(58_999)).toBeNull()
    expect(standing.whyStill(59_000)).not.toBeNull()
  })

  test('is counted from the latest that was sent, in whatever order the answers are read', () => {
    const standing = member()
    standing.confirmed(20_000)
    standing.confirmed(10_000)
    expect(standing.whyStill(49_999)).toBeNull()
    expect(standing.whyStill(50_000)).not.toBeNull()
  })
})
