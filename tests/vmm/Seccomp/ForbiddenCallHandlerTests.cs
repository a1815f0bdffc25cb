using System.Text;
using RunnerVm.Vmm.Native.Libc;
using RunnerVm.Vmm.Native.Seccomp;
using Xunit;

namespace RunnerVm.Tests.Vmm.Seccomp;

public sealed class ForbiddenCallHandlerTests
{
    [Fact]
    public Task The_machine_code_is_what_the_assembler_makes_of_its_comments() =>
        CommentedCode.MustBeWhatItsCommentsSayAsync(Path.Combine("Seccomp", "ForbiddenCallHandler.cs"), ForbiddenCallHandler.Code.ToArray());

    [Fact]
    public void The_code_ends_before_its_data() => Assert.InRange(ForbiddenCallHandler.Code.Length, 1, 256);

    [Fact]
    public void The_names_it_says_are_those_of_the_enumeration()
    {
        string[] names = [.. Words(SystemCallNames.First), .. Enumerable.Repeat("", SystemCallNames.Later - SystemCallNames.AfterFirst), .. Words(SystemCallNames.FromLater)];
        Assert.Equal(SystemCallNames.Count, names.Length);
        Assert.Equal(Enumerable.Range(0, names.Length).Select(static number => Enum.GetName((SystemCall)number) ?? ""), names);
        Assert.DoesNotContain(Enum.GetValues<SystemCall>(), static call => (int)call >= SystemCallNames.Count);

        static string[] Words(ReadOnlySpan<byte> text) => Encoding.ASCII.GetString(text).Split(' ');
    }
}
