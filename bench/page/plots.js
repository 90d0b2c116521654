// Runs in the page: `report` holds the figures, `uPlot` is the library; both stand in the page before this.

const COLOURS = ['#0969da', '#8250df', '#1a7f37', '#bf8700', '#cf222e', '#59636e', '#0a7d91']
const WIDTH = Math.min(1160, document.body.clientWidth)

// One bar a row: at 1 the goal is met, above it is better.
if (report.goals.length > 0) {
  const names = report.goals.map(({ name }) => name)
  const scores = report.goals.map(({ score }) => score)
  const low = Math.min(0.5, ...scores) / 1.5
  const high = Math.max(2, ...scores) * 1.5
  new uPlot(
    {
      width: WIDTH,
      height: 430,
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: false, range: [-0.7, names.length - 0.3] }, y: { distr: 3, range: [low, high] } },
      axes: [
        {
          size: 170,
          rotate: -55,
          splits: () => names.map((_, i) => i),
          values: () => names,
          grid: { show: false },
        },
        { label: 'times as good as the goal', size: 60 },
      ],
      series: [
        {},
        bars('#1a7f37'),
        bars('#cf222e'),
        { stroke: '#59636e', width: 2, points: { show: false } },
      ],
    },
    [
      names.map((_, i) => i),
      scores.map((score) => (score >= 1 ? score : null)),
      scores.map((score) => (score < 1 ? score : null)),
      names.map(() => 1),
    ],
    document.getElementById('goals'),
  )
}

function bars(colour) {
  const paths = uPlot.paths.bars({ size: [0.6, 60] })
  return { fill: `${colour}99`, stroke: colour, paths, points: { show: false } }
}

// One line a side, over the rounds or the sizes, which stand equally far apart.
report.plots.forEach((plot, at) => {
  if (!plot || plot.sides.length === 0) return
  const rounds = plot.sides[0].values.map((_, i) => i + 1)
  const series = plot.sides.map(({ name }, i) => {
    const stroke = COLOURS[i % COLOURS.length]
    return { label: name, stroke, width: 2, points: { show: true, size: 7, fill: stroke } }
  })
  new uPlot(
    {
      width: WIDTH,
      height: 300,
      scales: {
        x: { time: false, range: [0.8, rounds.length + 0.2] },
        y: { range: (_, min, max) => [Math.min(0, min * 1.1), Math.max(0, max * 1.1)] },
      },
      axes: [
        { label: plot.x.label, splits: () => rounds, values: () => plot.x.values ?? rounds },
        { label: plot.label, size: 80 },
      ],
      series: [{ label: plot.x.label, value: (_, n) => plot.x.values?.[n - 1] ?? n }, ...series],
    },
    [rounds, ...plot.sides.map(({ values }) => values)],
    document.getElementById(`plot-${at}`),
  )
})
