import { MantineProvider } from '@mantine/core'
import { render, screen, within } from '@testing-library/react'
import { expect, test } from 'vitest'
import { STEPS } from '@/testing/answers'
import { Timeline } from './timeline'
import { Waterfall } from './waterfall'

test('the step that made the result what it is, is marked, with what would have been', () => {
  render(
    <MantineProvider env="test">
      <Waterfall
        decision={{ outcome: 'RESIZED', code: 'POSITION', reason: 'too large', steps: STEPS }}
      />
    </MantineProvider>,
  )
  const binding = screen.getAllByRole('row').filter((row) => within(row).queryByText('binding'))
  expect(binding).toHaveLength(1)
  expect(binding[0]).toHaveTextContent('Position size')
  expect(binding[0]).toHaveTextContent('would have been up to 4 if position size had had room')
  expect(screen.getByText('10 asked → 2')).toBeInTheDocument()
  expect(screen.getByText('1 checks passed')).toBeInTheDocument()
})

test('the road says how long each stage took, for whom, and what is waited for now', () => {
  const at = '2026-11-22T10:00:00Z'
  render(
    <MantineProvider env="test">
      <Timeline
        road={[
          {
            name: 'RECEIVED',
            at,
            since_arrival_ms: 0,
            since_previous_ms: null,
            waited_for: '',
          },
          {
            name: 'STANDARDIZED',
            at,
            since_arrival_ms: 14,
            since_previous_ms: 14,
            waited_for: 'ingestion',
          },
        ]}
        working
        waitingFor="a person's approval"
      />
    </MantineProvider>,
  )
  const stages = screen.getAllByRole('listitem')
  expect(stages[1]).toHaveTextContent('14 ms for ingestion')
  expect(stages[2]).toHaveTextContent("Decidedwaiting for a person's approval")
})
