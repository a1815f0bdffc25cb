using System.Text;
using FsCheck.Xunit;
using RunnerVm.Machines;
using Xunit;

namespace RunnerVm.Tests.Executor.Machines;

public sealed class BoundedTailTests
{
    [Property]
    public bool It_holds_exactly_the_end_of_all_that_was_written(byte[][] chunks, byte capacity)
    {
        var tail = new BoundedTail(capacity + 1);
        foreach (var chunk in chunks) tail.Append(chunk);
        var all = chunks.SelectMany(chunk => chunk).ToArray();
        return tail.ToArray().SequenceEqual(all.TakeLast(capacity + 1));
    }

    [Fact]
    public void Its_text_has_lines_and_tabs_and_no_other_control_character()
    {
        var tail = new BoundedTail(100);
        tail.Append(Encoding.UTF8.GetBytes("a\tb\r\n\e[31mred\0\u009b1m"));
        Assert.Equal("a\tb\n\uFFFD[31mred\uFFFD\uFFFD1m", tail.ToString());
    }
}
