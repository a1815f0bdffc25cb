using System.Globalization;

namespace RunnerVm.Operate.Bench;

/// <summary>The same work inside and outside: how much slower is it in there?</summary>
internal static class Loops
{
    public static IReadOnlyList<string> Names { get; } = ["cpu", "syscall", "file", "compile"];

    /// <summary>
    /// Prints a line a loop, its name and microseconds; a dash where the tool is not there. Perl is in every Debian, and what it does itself
    /// costs the same on both sides. The clock is read in the same place as the work is done, so neither start nor stream is in it.
    /// </summary>
    public const string Script = """
        echo loops
        folder=$(mktemp -d) && cd "$folder" || exit 1
        now() { date +%s%N; }
        measure() {
          name=$1; shift
          if ! command -v "$1" >/dev/null; then echo "$name -"; return; fi
          begin=$(now)
          "$@" >/dev/null || exit 1
          echo "$name $(( ($(now) - begin) / 1000 ))"
        }
        measure cpu perl -e 'my $x = 1; $x = ($x * 69069 + 5) % 4294967296 for 1 .. 3000000'
        measure syscall perl -e 'getppid for 1 .. 300000'
        measure file perl -e 'for (1 .. 1500) { open my $f, ">", "f" or die; print $f "x" x 4096; close $f; rename "f", "g" or die; unlink "g" or die }'
        i=0; while [ $i -lt 300 ]; do echo "int f$i(int a) { int s = 0; for (int i = 0; i < a; i++) s += i * $i ^ a; return s; }"; i=$((i + 1)); done > work.c
        measure compile cc -O2 -c work.c
        cd / && rm -r "$folder"
        """;

    /// <summary>Microseconds by name; null where the tool was missing.</summary>
    /// <exception cref="BenchException">The output is something else.</exception>
    public static IReadOnlyDictionary<string, double?> Parse(string output)
    {
        var found = new Dictionary<string, double?>();
        foreach (var line in output.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.Split(' ') is not [var name, var value] || !Names.Contains(name)) continue;
            found[name] = double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : null;
        }

        return Names.All(found.ContainsKey) ? found : throw new BenchException($"the loops said: {output.Trim()}");
    }

    /// <summary>How many times slower each is inside.</summary>
    public static LoopFigures Compare(string name, IReadOnlyDictionary<string, double?> inside, IReadOnlyDictionary<string, double?> outside) =>
        new(name, Names.ToDictionary(static n => n, n => inside[n] is { } i && outside[n] is > 0 and { } o ? i / o : (double?)null));
}

/// <param name="Slowdown">By the loop's name: time inside by time outside; null where one of the two lacks the tool.</param>
internal sealed record LoopFigures(string Name, IReadOnlyDictionary<string, double?> Slowdown);
