using RunnerVm.Vmm.Native.Handles;

namespace RunnerVm.Vmm.Native.Memory;

// Memory as a file: its regions one after the other.
internal sealed partial class GuestMemory
{
    /// <summary>One write's most; the kernel moves 2 GiB at a time.</summary>
    private const ulong MostPagesAtOnce = 4096;

    /// <summary>All of it.</summary>
    /// <param name="isEmpty">The file is one hole: pages of zeroes need not be written, and it stays as sparse as the guest's memory.</param>
    /// <exception cref="LinuxException">The host failed it; the file is not whole.</exception>
    public void WriteTo(FileDescriptor file, bool isEmpty)
    {
        foreach (var (region, start) in RegionsOfFile())
            WriteRuns(region.Mapping, file, start, page => !isEmpty || !region.Mapping.IsZero((nuint)(page * PageSize), (int)PageSize));
    }

    /// <summary>Only some of it, each page where it is in the whole.</summary>
    /// <param name="pages">A bit for each page of each region.</param>
    /// <exception cref="LinuxException">The host failed it; the file is not whole.</exception>
    public void WritePagesTo(FileDescriptor file, IReadOnlyList<ulong[]> pages)
    {
        foreach (var ((region, start), bits) in RegionsOfFile().Zip(pages))
            WriteRuns(region.Mapping, file, start, page => (bits[page / 64] >> (int)(page % 64) & 1) != 0);
    }

    private IEnumerable<(GuestRegion Region, long Start)> RegionsOfFile()
    {
        long start = 0;
        foreach (var region in _regions)
        {
            yield return (region, start);
            start += (long)region.Mapping.Length;
        }
    }

    private static void WriteRuns(MappedRegion mapping, FileDescriptor file, long start, Func<ulong, bool> isWanted)
    {
        var pages = mapping.Length / PageSize;
        for (ulong page = 0; page < pages;)
        {
            if (!isWanted(page))
            {
                page++;
                continue;
            }

            var end = page + 1;
            while (end < pages && end - page < MostPagesAtOnce && isWanted(end)) end++;
            mapping.WriteTo(file, (nuint)(page * PageSize), (nuint)((end - page) * PageSize), start + (long)(page * PageSize));
            page = end;
        }
    }
}
