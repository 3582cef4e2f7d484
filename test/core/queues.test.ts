/** The two queues of the engine, each against an array that is plainly right. */
import { equal } from 'node:assert/strict'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Fifo } from '../../src/core/fifo.ts'
import { Schedule } from '../../src/core/schedule.ts'
import { seedOf } from './seed.ts'

const seed = seedOf('queues.test.ts')

describe('Fifo', () => {
  test('gives what an array gives, for any pushes, shifts, unshifts and clears', () => {
    const step = fc.constantFrom(
      'push',
      'push',
      'push',
      'shift',
      'shift',
      'shift and unshift',
      'unshift',
      'clear',
      'push many',
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), steps => {
        const fifo = new Fifo<number>()
        const model: number[] = []
        let next = 0
        const push = () => {
          fifo.push(++next)
          model.push(next)
        }
        for (const step of steps) {
          if (step === 'push') push()
          else if (step === 'push many') for (let count = 0; count < 20; count++) push()
          else if (step === 'shift') equal(fifo.shift(), model.shift())
          else if (step === 'unshift') {
            fifo.unshift(++next)
            model.unshift(next)
          } else if (step === 'clear') {
            fifo.clear()
            model.length = 0
          } else {
            const first = model[0]
            equal(fifo.shift(), first)
            if (first !== undefined) fifo.unshift(first)
          }
          expect(fifo.size).toBe(model.length)
          expect(fifo.peek()).toBe(model[0])
        }
        expect(Array.from({ length: model.length + 1 }, () => fifo.shift())).toEqual([...model, undefined])
      }),
      { seed, numRuns: 300 },
    )
  })
})

describe('Schedule', () => {
  test('gives what is due, soonest first, and nothing before its time', () => {
    const step = fc.oneof(
      fc.record({ add: fc.constant(true), ms: fc.nat(100) }),
      fc.record({ add: fc.constant(false), ms: fc.nat(20) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), steps => {
        const schedule = new Schedule<{ atMs: number }>()
        const model: { atMs: number }[] = []
        let nowMs = 0
        for (const { add, ms } of steps) {
          if (add) {
            const item = { atMs: nowMs + ms }
            schedule.add(item.atMs, item)
            model.push(item)
          } else {
            nowMs += ms
            const due = model.filter(({ atMs }) => atMs <= nowMs).map(({ atMs }) => atMs)
            for (const atMs of due.toSorted((a, b) => a - b)) {
              const item = schedule.takeDue(nowMs)
              equal(item?.atMs, atMs)
              if (item !== undefined) model.splice(model.indexOf(item), 1)
            }
            equal(schedule.takeDue(nowMs), undefined)
          }
          expect(schedule.size).toBe(model.length)
          expect(schedule.nextAtMs).toBe(model.length === 0 ? null : Math.min(...model.map(({ atMs }) => atMs)))
        }
      }),
      { seed, numRuns: 300 },
    )
  })

  test('every item comes out once', () => {
    const schedule = new Schedule<number>()
    for (let item = 0; item < 1_000; item++) schedule.add((item * 7_919) % 101, item)
    const items = Array.from({ length: 1_000 }, () => schedule.takeDue(101))
    expect(new Set(items).size).toBe(1_000)
    expect(schedule.size).toBe(0)
  })
})
