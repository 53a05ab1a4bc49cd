import { SegmentedControl, Stack, Text } from '@mantine/core'
import type { components } from '@/api/dashboard-creator'
import { Meter } from '@/components/meter'
import { Money } from '@/components/money'
import { Panel } from '@/components/panel'
import { SmallTable } from '@/components/small-table'
import { Empty } from '@/components/states'
import { numberOf, percent, words } from '@/lib/format'
import { useUrlState } from '@/lib/use-url-state'

type Held = components['schemas']['Exposure']

/** What is held over all strategies, by asset class or by instrument. */
export function ExposurePanel({ exposure }: { exposure: Held }) {
  const [by, setBy] = useUrlState('exposure', 'class')
  const lines = by === 'instrument' ? exposure.by_instrument : exposure.by_asset_class
  return (
    <Panel
      title={`Exposure, ${exposure.currency}`}
      actions={
        <SegmentedControl
          size="xs"
          aria-label="exposure by"
          value={by}
          onChange={setBy}
          data={[
            { value: 'class', label: 'Asset class' },
            { value: 'instrument', label: 'Instrument' },
          ]}
        />
      }
    >
      {lines.length === 0 ? (
        <Empty>Nothing is held.</Empty>
      ) : (
        <SmallTable
          label="exposure"
          rows={lines}
          keyOf={(line) => `${line.instrument_type}${line.name}`}
          columns={[
            {
              name: 'name',
              title: by === 'instrument' ? 'Instrument' : 'Asset class',
              cell: (line) => (by === 'instrument' ? line.name : words(line.name)),
            },
            {
              name: 'share',
              title: 'Of equity',
              width: '30%',
              cell: (line) => (
                <>
                  {percent(line.gross_ratio, 1)}
                  <Meter label={line.name} used={numberOf(line.gross_ratio)} />
                </>
              ),
            },
            {
              name: 'gross',
              title: 'Gross',
              numeric: true,
              cell: (line) => <Money value={line.gross} digits={0} />,
            },
            {
              name: 'net',
              title: 'Net',
              numeric: true,
              cell: (line) => <Money value={line.net} digits={0} />,
            },
          ]}
        />
      )}
      {exposure.missing.length > 0 && (
        <Stack gap={0} mt="xs">
          {exposure.missing.map((each) => (
            <Text key={each.name} fz="xs" c="dimmed">
              ⚠ {each.name} is not in the sums: {each.reason}
            </Text>
          ))}
        </Stack>
      )}
    </Panel>
  )
}
