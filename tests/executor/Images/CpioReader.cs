using System.Globalization;
using System.Text;

namespace RunnerVm.Tests.Executor.Images;

internal sealed record CpioEntry(string Name, int Mode, int Inode, int Uid, int Time, int Major, int Minor, byte[] Content);

/// <summary>Reads a "newc" archive back, strictly: magic, alignment and end mark must be right.</summary>
internal static class CpioReader
{
    public static IReadOnlyList<CpioEntry> Read(byte[] archive)
    {
        var entries = new List<CpioEntry>();
        for (var at = 0; ;)
        {
            var header = Encoding.ASCII.GetString(archive, at, 110);
            if (!header.StartsWith("070701", StringComparison.Ordinal)) throw new InvalidDataException($"no header at {at}");
            int Field(int index) => int.Parse(header.AsSpan(6 + index * 8, 8), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            var name = Encoding.UTF8.GetString(archive, at + 110, Field(11) - 1);
            if (archive[at + 110 + Field(11) - 1] != 0) throw new InvalidDataException("name without end");
            var start = Align(at + 110 + Field(11));
            at = Align(start + Field(6));
            if (name == "TRAILER!!!")
            {
                return at == archive.Length ? entries : throw new InvalidDataException("something follows the end mark");
            }

            entries.Add(new(name, Field(1), Field(0), Field(2), Field(5), Field(9), Field(10), archive[start..(start + Field(6))]));
        }
    }

    private static int Align(int at) => (at + 3) & ~3;
}
